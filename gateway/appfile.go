package gateway

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/knadh/koanf/v2"
)

// placed is an app with the place where it is set.
type placed struct {
	App
	file  string // of apps_dir; empty: it is among the apps of the configuration,
	index int    // at this index
}

// key names a key of the app, as the beginning of what is wrong with it.
func (p *placed) key(name string) string {
	if p.file != "" {
		return p.file + ": " + name
	}
	return fmt.Sprintf("apps[%d].%s", p.index, name)
}

// where names a key of the app within a sentence.
func (p *placed) where(name string) string {
	if p.file != "" {
		return "the " + name + " of " + p.file
	}
	return p.key(name)
}

// isAppFile reports whether a file of apps_dir, by its name, is an app. Names
// that begin with a dot are not, nor is what editors leave, which ends otherwise.
func isAppFile(name string) bool {
	ext := filepath.Ext(name)
	return !strings.HasPrefix(name, ".") && (ext == ".yaml" || ext == ".yml")
}

// appFiles returns the paths of a folder's apps, in the order of their names.
func appFiles(dir string) (list []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if isAppFile(e.Name()) {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	return list, err
}

// maxAppFile bounds a file of an app, in bytes: reading YAML takes a time that
// grows with the square of the number of keys.
const maxAppFile = 64 << 10

// readAppFile returns the text of an app's file.
func readAppFile(path string) ([]byte, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() { // to open a pipe could take forever
		return nil, fmt.Errorf("%s is no file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxAppFile+1))
	if err == nil && len(text) > maxAppFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxAppFile)
	}
	return text, err
}

// parseApp reads an app's file, which has the keys of an entry of apps. It tells
// all that is wrong with the app by itself, one error a fault.
func parseApp(path string, text []byte) (*placed, error) {
	p := &placed{file: path}
	k := koanf.New(".")
	if err := loadYAML(k, text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := unknownOfApp(k.Raw()); err != nil {
		return nil, p.of(err)
	}
	p.App = defaultApp()
	if err := fill(&p.App, k); err != nil {
		return nil, p.of(readable(err, func(key string) string { return key }))
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

// of puts the place before each of several faults.
func (p *placed) of(err error) error {
	var faults []error
	for _, e := range flatten(err) {
		faults = append(faults, errors.New(p.key(e.Error())))
	}
	return errors.Join(faults...)
}

// check tells what is wrong with the app by itself.
func (p *placed) check() error {
	var faults []error
	p.validate(func(key, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", p.key(key), fmt.Sprintf(format, args...)))
	})
	return errors.Join(faults...)
}

// loadApps reads and checks the apps of the configuration and those of its
// apps_dir. They are in the order in which they are named, each once. Its errors
// are one a fault.
func (c Config) loadApps() ([]*placed, error) {
	var faults []error
	var list []*placed
	for i, a := range c.Apps {
		p := &placed{App: a, index: i}
		faults = append(faults, p.check())
		list = append(list, p)
	}
	if c.AppsDir != "" {
		paths, err := appFiles(c.AppsDir)
		if err != nil {
			faults = append(faults, fmt.Errorf("apps_dir: %w", err))
		}
		for _, path := range paths {
			text, err := readAppFile(path)
			if err != nil {
				faults = append(faults, fmt.Errorf("apps_dir: %w", err))
				continue
			}
			p, err := parseApp(path, text)
			if err != nil {
				faults = append(faults, err)
				continue
			}
			list = append(list, p)
		}
	}
	for _, t := range twins(list) {
		faults = append(faults, t)
	}
	return list, errors.Join(faults...)
}
