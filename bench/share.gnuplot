set terminal svg size 1000,520 dynamic background "#ffffff"
set output folder."/bench.svg"
set title "veilsum bench share: ns per 8-byte element, one thread (baselines: k = 1)"
set style data histograms
set style fill solid 1 noborder
set style histogram clustered gap 1.5
set logscale y
set yrange [0.1:*]
set grid ytics back
set ylabel "ns per element, lower is better"
set boxwidth 0.9
set key outside right
set xlabel "n,t,k"
plot folder."/share.dat" using 2:xtic(1) title "veilsum", "" using 3 title "floor: PRG", \
     "" using 4 title "floor: memory", "" using 5 title "ISA-L", "" using 6 title "FLINT", "" using 7 title "GMP"
