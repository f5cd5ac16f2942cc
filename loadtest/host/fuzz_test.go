package host

import (
	"path"
	"testing"
)

func FuzzParseStat(f *testing.F) {
	f.Add("42 (a) b) S 7 1 1 0 -1 4194560 1 0 0 0 12 34 99 99 20 0 1 0")
	f.Fuzz(func(t *testing.T, text string) {
		if st, err := parseStat(text); err == nil && st.cpu < 0 {
			t.Errorf("%+v", st)
		}
	})
}

func FuzzParseStatm(f *testing.F) {
	f.Add("300 20 1 1 0 1 0")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseStatm(text); err == nil && (n < 0 || n<<16 < 0) { // pages of 64 KiB
			t.Error(n)
		}
	})
}

func FuzzParseSchedstat(f *testing.F) {
	f.Add("1234567890 48453 17")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseSchedstat(text); err == nil && d < 0 {
			t.Error(d)
		}
	})
}

func FuzzParseBusy(f *testing.F) {
	f.Add("cpu  1000 200 30 999999 888 4 5 6 77 7\ncpu0 1 1 1 1 1 1 1 1 1 1")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseBusy(text); err == nil && d < 0 {
			t.Error(d)
		}
	})
}

func FuzzKilobytes(f *testing.F) {
	f.Add("MemTotal: 1 kB\nMemAvailable:    716800 kB\n")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := kilobytes(text, "MemAvailable"); err == nil && (n < 0 || n > maxBytes) {
			t.Error(n)
		}
		cpuModel(text)
	})
}

func FuzzParseLimits(f *testing.F) {
	f.Add("Max open files            1024                 unlimited            files     \n")
	f.Fuzz(func(t *testing.T, text string) {
		soft, hard, err := parseLimits(text)
		if soft < 0 || hard < 0 {
			t.Error(soft, hard)
		}
		if err == nil && descriptorsAllow(hard, 8) > hard {
			t.Error("more connections than descriptors:", hard)
		}
	})
}

func FuzzParseCgroup(f *testing.F) {
	f.Add("12:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/docker/abc")
	f.Add("0::/../x")
	f.Fuzz(func(t *testing.T, text string) {
		if name, _, err := parseCgroup(text); err == nil && (!path.IsAbs(name) || path.Clean(name) != name) {
			t.Errorf("%q leads out", name)
		}
	})
}

func FuzzParseGroupLimit(f *testing.F) {
	f.Add("max")
	f.Add("9223372036854771712")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseGroupLimit(text); err == nil && (n < noLimit || n > maxBytes) {
			t.Error(n)
		}
		if parseInactive(text, "inactive_file") < 0 {
			t.Error("negative")
		}
	})
}

func FuzzParseNumbers(f *testing.F) {
	f.Add("4096\t131072\t6291456")
	f.Add("1 18446744073709551615 3")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseNumbers(text, 3)
		if err == nil && len(list) != 3 {
			t.Error(list)
		}
		for _, n := range list {
			if n < 0 {
				t.Error(list)
			}
		}
	})
}
