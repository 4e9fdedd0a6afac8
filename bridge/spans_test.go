package bridge

import (
	"slices"
	"testing"
)

func TestSpans_ReadWhatTheyWrote(t *testing.T) {
	for text, want := range map[string]spans{"": nil, "1-1": {{1, 1}}, "10-19 30-39": {{10, 19}, {30, 39}}, "1-2 3-4": {{1, 4}}} {
		got, err := parseSpans(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
		if again, err := parseSpans(got.String()); err != nil || !slices.Equal(again, want) {
			t.Errorf("%v written and read: %v, %v", got, again, err)
		}
	}
	for _, text := range []string{"1", "2-1", "0-4", "1-5 5-6", "a-b", "1-2-3", "-", "5-6 1-2", "-1-2"} {
		if got, err := parseSpans(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

func TestSpans_AfterCutsAndAddJoins(t *testing.T) {
	s := spans{{10, 19}, {30, 39}}
	for seq, want := range map[uint64]spans{0: s, 9: s, 10: {{11, 19}, {30, 39}}, 19: {{30, 39}}, 25: {{30, 39}}, 38: {{39, 39}}, 39: nil} {
		if got := s.after(seq); !slices.Equal(got, want) {
			t.Errorf("after %d: %v, want %v", seq, got, want)
		}
	}
	if got := s.add(span{40, 49}); !slices.Equal(got, spans{{10, 19}, {30, 49}}) || got.count() != 30 {
		t.Errorf("joined %v", got)
	}
	if got := s.add(span{41, 49}); len(got) != 3 || len(s) != 2 || s[1].last != 39 {
		t.Errorf("added %v to %v", got, s)
	}
	if sp, ok := s.holding(39); !ok || sp.first != 30 {
		t.Errorf("holding: %v, %v", sp, ok)
	}
	if _, ok := s.holding(20); ok {
		t.Error("20 is in none")
	}
}

func FuzzParseSpans(f *testing.F) {
	f.Add("10-19 30-39")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSpans(text)
		if err != nil {
			return
		}
		for i, sp := range s {
			if sp.first == 0 || sp.first > sp.last || i > 0 && sp.first <= s[i-1].last+1 {
				t.Errorf("%q: %v", text, s)
			}
		}
	})
}
