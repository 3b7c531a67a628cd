// Interop checks veilsum's published logs with the tools of others: golang.org/x/mod (sumdb/note,
// sumdb/tlog), github.com/transparency-dev/merkle and .../formats. Arguments: folders that
// make_logs.c wrote. Every check is made once more with something wrong, and must fail then.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	flog "github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	fproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/formats/witness"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// folder is one published log.
type folder struct {
	dir      string
	log      note.Verifier
	cosigner []note.Verifier
	note     []byte
	head     flog.Checkpoint
	checks   int
}

func (f *folder) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(f.dir, name))
}

// good counts a check; bad wants an error and counts too.
func (f *folder) good(what string, err error) error {
	f.checks++
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (f *folder) bad(what string, err error) error {
	f.checks++
	if err == nil {
		return fmt.Errorf("%s: passes although it is wrong", what)
	}
	return nil
}

func (f *folder) keys() error {
	text, err := f.read("vkeys")
	if err != nil {
		return err
	}
	for i, line := range strings.Fields(string(text)) {
		if i == 0 {
			f.log, err = note.NewVerifier(line)
		} else {
			var v note.Verifier
			v, err = fnote.NewVerifierForCosignatureV1(line)
			f.cosigner = append(f.cosigner, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkpoint: the log's signature and both cosignatures, by sumdb/note with the verifiers of
// transparency-dev/formats.
func (f *folder) checkpoint() error {
	var err error
	if f.note, err = f.read("checkpoint"); err != nil {
		return err
	}
	head, _, n, err := flog.ParseCheckpoint(f.note, f.log.Name(), f.log, f.cosigner...)
	if err := f.good("checkpoint", err); err != nil {
		return err
	}
	f.head = *head
	if len(n.Sigs) != 1+len(f.cosigner) {
		return fmt.Errorf("checkpoint: %d signatures verify", len(n.Sigs))
	}
	for _, s := range n.Sigs[1:] {
		t, err := fnote.CoSigV1Timestamp(s)
		if err := f.good("time of "+s.Name, err); err != nil {
			return err
		}
		if t.Unix() < 1700000000 || t.Unix() > 1700000001 {
			return fmt.Errorf("cosignature of %s: time %v", s.Name, t)
		}
	}
	wrong := bytes.Clone(f.note)
	wrong[len(f.log.Name())+1] ^= 1 // the size
	_, err = note.Open(wrong, note.VerifierList(f.log))
	return f.bad("checkpoint of another size", err)
}

// policy: our tlog-policy file, with URLs added because this reader wants them.
func (f *folder) policy() error {
	text, err := f.read("policy")
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "witness ") {
			lines[i] = line + " https://w" + strconv.Itoa(i) + ".example.org/"
		}
	}
	group, err := witness.ParsePolicy([]byte(strings.Join(lines, "\n")))
	if err := f.good("policy", err); err != nil {
		return err
	}
	if !group.Satisfied(f.note) {
		return errors.New("policy: the checkpoint does not meet it")
	}
	cut := f.note[:bytes.LastIndex(f.note[:len(f.note)-1], []byte("\n"))+1] // one cosignature less
	if group.Satisfied(cut) {
		return errors.New("policy: met with one cosignature of two")
	}
	return nil
}

// Height, ReadTiles and SaveTiles make folder a tlog.TileReader: the tiles are believed only once
// tlog has compared them with the signed root.
func (f *folder) Height() int { return 8 }

func (f *folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		// "tile/8/L/N[.p/W]", with L = "data" for entries: ours leave the height out
		name := strings.Replace(t.Path(), "tile/8/", "tile/", 1)
		data, err := f.read(name)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (f *folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f *folder) tree() tlog.Tree {
	t := tlog.Tree{N: int64(f.head.Size)}
	copy(t.Hash[:], f.head.Hash)
	return t
}

// entries of every bundle: their leaf hashes give the root, and are those of the tiles.
func (f *folder) entries() ([][]byte, error) {
	var all [][]byte
	for n := uint64(0); n*256 < f.head.Size; n++ {
		width := min(f.head.Size-n*256, 256)
		t := tlog.Tile{H: 8, L: -1, N: int64(n), W: int(width)}
		name := strings.Replace(t.Path(), "tile/8/data/", "tile/entries/", 1)
		bundle, err := f.read(name)
		if err != nil {
			return nil, err
		}
		for len(bundle) >= 2 {
			length := int(binary.BigEndian.Uint16(bundle))
			if length == 0 || length > len(bundle)-2 {
				return nil, fmt.Errorf("%s: cut short", name)
			}
			all = append(all, bundle[2:2+length])
			bundle = bundle[2+length:]
		}
		if len(bundle) != 0 || uint64(len(all)) != n*256+width {
			return nil, fmt.Errorf("%s: %d entries so far", name, len(all))
		}
	}
	return all, nil
}

func (f *folder) root(entries [][]byte) error {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, k := range indexes {
			out[i] = stored[k]
		}
		return out, nil
	})
	for i, e := range entries {
		hashes, err := tlog.StoredHashes(int64(i), e, reader)
		if err != nil {
			return err
		}
		stored = append(stored, hashes...)
	}
	got, err := tlog.TreeHash(int64(len(entries)), reader)
	if err != nil {
		return err
	}
	if !bytes.Equal(got[:], f.head.Hash) {
		err = errors.New("the entries have another root than the one signed")
	}
	return f.good("root of the entries", err)
}

// tiles: authenticated by tlog against the signed root, all leaf hashes; record and tree proofs
// made by tlog from our tiles.
func (f *folder) tiles(entries [][]byte) error {
	tree := f.tree()
	reader := tlog.TileHashReader(tree, f)
	for i := range entries {
		if i > 600 && i < len(entries)-600 && i%97 != 0 {
			continue
		}
		h, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(i))})
		if err == nil && h[0] != tlog.RecordHash(entries[i]) {
			err = errors.New("is not the hash of the entry")
		}
		if err := f.good(fmt.Sprintf("tile hash %d", i), err); err != nil {
			return err
		}
	}
	last := int64(len(entries)) - 1
	p, err := tlog.ProveRecord(tree.N, last, reader)
	if err == nil {
		err = tlog.CheckRecord(p, tree.N, tree.Hash, last, tlog.RecordHash(entries[last]))
	}
	if err := f.good("record proof from tiles", err); err != nil {
		return err
	}
	if err := f.bad("record proof of another entry",
		tlog.CheckRecord(p, tree.N, tree.Hash, last, tlog.RecordHash([]byte("other")))); err != nil {
		return err
	}
	wrong := tree
	wrong.Hash[0] ^= 1
	_, err = tlog.TileHashReader(wrong, f).ReadHashes([]int64{0})
	return f.bad("tiles under another root", err)
}

// receipts: our tlog-proofs, read by formats, checked by transparency-dev/merkle and by tlog.
func (f *folder) receipts(entries [][]byte) error {
	files, err := os.ReadDir(filepath.Join(f.dir, "receipts"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := f.read("receipts/" + file.Name())
		if err != nil {
			return err
		}
		var p fproof.TLogProof
		if err := f.good("receipt "+file.Name(), p.Unmarshal(text)); err != nil {
			return err
		}
		if !bytes.Equal(p.Marshal(), text) {
			return fmt.Errorf("receipt %s: written again it is another", file.Name())
		}
		if _, _, _, err := flog.ParseCheckpoint(p.Checkpoint, f.log.Name(), f.log, f.cosigner...); err != nil {
			return err
		}
		var path [][]byte
		var tpath tlog.RecordProof
		for i := range p.Hashes {
			path = append(path, p.Hashes[i][:])
			tpath = append(tpath, tlog.Hash(p.Hashes[i]))
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(entries[p.Index])
		if err := f.good("inclusion "+file.Name(), proof.VerifyInclusion(rfc6962.DefaultHasher,
			p.Index, f.head.Size, leaf, path, f.head.Hash)); err != nil {
			return err
		}
		tree := f.tree()
		if err := f.good("record "+file.Name(), tlog.CheckRecord(tpath, tree.N, tree.Hash,
			int64(p.Index), tlog.RecordHash(entries[p.Index]))); err != nil {
			return err
		}
		leaf[5] ^= 1
		if err := f.bad("inclusion of another leaf", proof.VerifyInclusion(rfc6962.DefaultHasher,
			p.Index, f.head.Size, leaf, path, f.head.Hash)); err != nil {
			return err
		}
	}
	return nil
}

// consistency: our proofs from older sizes, and tlog's own from our tiles, are the same hashes.
func (f *folder) consistency() error {
	files, err := os.ReadDir(filepath.Join(f.dir, "consistency"))
	if err != nil {
		return err
	}
	for _, file := range files {
		old, err := strconv.ParseUint(file.Name(), 10, 63)
		if err != nil {
			return err
		}
		text, err := f.read("consistency/" + file.Name())
		if err != nil {
			return err
		}
		var hashes [][]byte
		for _, line := range strings.Fields(string(text)) {
			h, err := base64.StdEncoding.DecodeString(line)
			if err != nil || len(h) != sha256.Size {
				return fmt.Errorf("consistency %s: not a hash: %q", file.Name(), line)
			}
			hashes = append(hashes, h)
		}
		check := func(root []byte) error {
			return proof.VerifyConsistency(rfc6962.DefaultHasher, old, f.head.Size, hashes[1:], root,
				f.head.Hash)
		}
		if err := f.good("consistency from "+file.Name(), check(hashes[0])); err != nil {
			return err
		}
		wrong := bytes.Clone(hashes[0])
		wrong[31] ^= 1
		if err := f.bad("consistency with another root", check(wrong)); err != nil {
			return err
		}
		tree := f.tree()
		theirs, err := tlog.ProveTree(tree.N, int64(old), tlog.TileHashReader(tree, f))
		if err == nil && len(theirs) != len(hashes)-1 {
			err = fmt.Errorf("%d hashes, ours has %d", len(theirs), len(hashes)-1)
		}
		for i := 0; err == nil && i < len(theirs); i++ {
			if !bytes.Equal(theirs[i][:], hashes[i+1]) {
				err = fmt.Errorf("hash %d is another", i)
			}
		}
		if err := f.good("tlog's proof from "+file.Name(), err); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) all() error {
	for _, step := range []func() error{f.keys, f.checkpoint, f.policy} {
		if err := step(); err != nil {
			return err
		}
	}
	entries, err := f.entries()
	if err != nil {
		return err
	}
	for _, step := range []func([][]byte) error{f.root, f.tiles, f.receipts} {
		if err := step(entries); err != nil {
			return err
		}
	}
	return f.consistency()
}

func main() {
	dirs := os.Args[1:]
	sort.Strings(dirs)
	if len(dirs) == 0 {
		fmt.Fprintln(os.Stderr, "usage: interop FOLDER...")
		os.Exit(2)
	}
	for _, dir := range dirs {
		f := &folder{dir: dir}
		if err := f.all(); err != nil {
			fmt.Fprintf(os.Stderr, "interop: %s: %v\n", dir, err)
			os.Exit(1)
		}
		fmt.Printf("interop: %s: %d entries, %d checks ok\n", filepath.Base(dir), f.head.Size, f.checks)
	}
}
