package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestConformanceCount holds the tables against the numbers of cases in the
// suite, by class: whoever takes a case out has to say so here. 12 and 13 are
// compression.
func TestConformanceCount(t *testing.T) {
	want := map[string]int{"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1}
	var ids []string
	for _, cases := range [][]confCase{
		casesMessages(), casesPings(), casesReserved(), casesFragments(), casesUTF8(),
		casesClose(), casesCloseCodes(), casesVolume(),
	} {
		for _, tc := range cases {
			ids = append(ids, tc.id)
		}
	}
	for i := range pingPongs {
		ids = append(ids, fmt.Sprintf("9.7.%d", i+1), fmt.Sprintf("9.8.%d", i+1))
	}
	ids = append(ids, exactIDs...)
	got := make(map[string]int)
	for _, id := range ids {
		class, _, _ := strings.Cut(id, ".")
		got[class]++
	}
	for class, n := range want {
		if got[class] != n {
			t.Errorf("class %s has %d cases, the suite has %d", class, got[class], n)
		}
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 301 {
		t.Errorf("%d cases with different numbers, want 301", n)
	}
}
