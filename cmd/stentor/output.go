package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"stentor/loadtest"
	reports "stentor/loadtest/report"
)

// output is where a result goes, and in which form.
type output struct {
	flag     string
	write    func(io.Writer, *loadtest.Result) error
	standard bool     // to standard output
	path     string   // of the file, when it comes to be or is one already
	other    *os.File // what is there is no file but a pipe or a device: it is open
}

// openOutputs looks before the run, not after it has taken its time, whether there
// can be files where they are to be. It leaves what is there as it is.
func openOutputs(f *loadtestFlags) (list []*output, err error) {
	for _, o := range []*output{{flag: "--json", path: f.json, write: reports.WriteJSON}, {flag: "--html", path: f.html, write: reports.WriteHTML}} {
		if o.path == "" {
			continue
		}
		if o.path == "-" {
			o.standard = true
		} else if err := o.open(); err != nil {
			return nil, fmt.Errorf("%s: %w", o.flag, err)
		}
		if len(list) > 0 && o.same(list[0]) {
			return nil, fmt.Errorf("--json and --html cannot both go to %s", o.path)
		}
		list = append(list, o)
	}
	return list, nil
}

func (o *output) open() error {
	if path, err := filepath.EvalSymlinks(o.path); err == nil {
		o.path = path // a link stays one
	}
	st, err := os.Stat(o.path)
	switch {
	case err == nil && !st.Mode().IsRegular():
		o.other, err = os.OpenFile(o.path, os.O_WRONLY, 0)
		return err
	case err == nil:
		file, err := os.OpenFile(o.path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return file.Close()
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	file, err := o.beside()
	if err != nil {
		return err
	}
	file.Close()
	return os.Remove(file.Name())
}

// same reports whether both go to one place. A device, /dev/null for example, may be
// there twice.
func (o *output) same(p *output) bool {
	if o.standard || p.standard {
		return o.standard && p.standard
	}
	a, errA := filepath.Abs(o.path)
	b, errB := filepath.Abs(p.path)
	return o.other == nil && errA == nil && errB == nil && a == b
}

// beside makes a file in the folder of the one that is to be. As others must be able to
// read it, it is not one of os.CreateTemp.
func (o *output) beside() (*os.File, error) {
	return os.OpenFile(fmt.Sprintf("%s.%d.tmp", o.path, os.Getpid()), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
}

// save writes the result. A file is there whole or as it was before.
func (o *output) save(standard io.Writer, r *loadtest.Result) error {
	if o.standard {
		return o.write(standard, r)
	}
	if o.other != nil {
		return errors.Join(o.write(o.other, r), o.other.Close())
	}
	var text bytes.Buffer
	if err := o.write(&text, r); err != nil {
		return err
	}
	file, err := o.beside()
	if err == nil {
		if st, err := os.Stat(o.path); err == nil {
			file.Chmod(st.Mode().Perm())
		}
		_, err = file.Write(text.Bytes())
		if err = errors.Join(err, file.Close()); err == nil && os.Rename(file.Name(), o.path) == nil {
			return nil
		}
		os.Remove(file.Name())
		if err != nil {
			return err
		}
	}
	// A folder that takes no other file, or a file that is mounted.
	return os.WriteFile(o.path, text.Bytes(), 0o644)
}
