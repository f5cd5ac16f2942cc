package pusher

import (
	"strings"
	"testing"
)

func TestVersionsThatAreSpoken(t *testing.T) {
	for _, c := range []struct {
		version string
		present bool
		want    int
	}{
		{"7", true, 0}, {"6", true, 0}, {"5", true, 0},
		{"", false, CodeNoVersion},
		{"7", false, CodeNoVersion},
		{"", true, CodeBadVersion},
		{"seven", true, CodeBadVersion},
		{"7.0", true, CodeBadVersion},
		{" 7", true, CodeBadVersion},
		{"7 ", true, CodeBadVersion},
		{"+7", true, CodeBadVersion},
		{"0x7", true, CodeBadVersion},
		{"٧", true, CodeBadVersion}, // a digit, but not ours
		{"-", true, CodeBadVersion},
		{"--7", true, CodeBadVersion},
		{strings.Repeat("x", 10000), true, CodeBadVersion},
		{"4", true, CodeUnsupported},
		{"8", true, CodeUnsupported},
		{"0", true, CodeUnsupported},
		{"-7", true, CodeUnsupported},
		{"77", true, CodeUnsupported},
		{strings.Repeat("9", 10000), true, CodeUnsupported},
	} {
		code, text := CheckVersion(c.version, c.present)
		if code != c.want || (text == "") != (code == 0) || len(text) > 123 {
			t.Errorf("%.20q, present %t: %d %q, want %d", c.version, c.present, code, text, c.want)
		}
	}
}

// What clients do at a code hangs on its range.
func TestCodesAreInTheirRanges(t *testing.T) {
	for from, codes := range map[int][]int{
		4000: {CodeTLSOnly, CodeUnknownApp, CodeDisabled, CodeQuota, CodePath, CodeBadVersion, CodeUnsupported, CodeNoVersion, CodeUnauthorized},
		4100: {CodeOverCapacity},
		4200: {CodeReconnect, CodePongMissing, CodeInactive},
		4300: {CodeClientEvent, CodeWatchlist},
	} {
		for _, code := range codes {
			if code < from || code > from+99 {
				t.Errorf("%d is not among those from %d on", code, from)
			}
		}
	}
}
