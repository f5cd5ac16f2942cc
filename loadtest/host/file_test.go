package host

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// However long a file is, a part of it is read; what is no file is not waited for.
func TestHead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "long"), bytes.Repeat([]byte("x"), 2*maxFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if text, err := root(dir).head("long"); err != nil || len(text) != maxFile {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", ".", "nothing"} {
		if text, err := root(dir).head(name); err == nil {
			t.Errorf("%s: %q", name, text)
		}
	}
}

func TestParseNumbers(t *testing.T) {
	if list, err := parseNumbers("1\t 18446744073709551615", 2); err != nil || list[0] != 1 || list[1] != 1<<63-1 {
		t.Errorf("%v, %v", list, err)
	}
	for _, bad := range []string{"", "1", "1 2 3", "1 x", "1 -2", "1 99999999999999999999"} {
		if list, err := parseNumbers(bad, 2); err == nil {
			t.Errorf("%q is %v", bad, list)
		}
	}
}

func TestWrap(t *testing.T) {
	got := wrap("a bb  ccc verylongword d", 6)
	want := []string{"a bb", "ccc", "verylongword", "d"}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
