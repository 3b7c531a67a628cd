set terminal svg size 1000,560 dynamic background "#ffffff"
set output folder."/results.svg"
set title "784-200-10 on Fashion-MNIST: private rounds at 8 bits (lines) and plain federated averaging (points)"
set xlabel "round"
set ylabel "accuracy on the test set, %"
set grid back
set key inside right bottom
set xrange [0:*]
set yrange [20:90]
array name[6] = ["10 clients, iid", "10 clients, shards", "100 clients, iid", "100 clients, shards", \
                 "10 of 100 clients, iid", "10 of 100 clients, shards"]
array color[6] = ["#1f4e9e", "#9e1f4e", "#2e8b57", "#d98218", "#6a51a3", "#555555"]
plot for [i=0:5] folder."/results.dat" index i using 1:2 with lines lw 2 lc rgb color[i+1] title name[i+1], \
     for [i=0:5] folder."/results.dat" index i using 1:3 with points pt 7 ps 0.35 lc rgb color[i+1] notitle
