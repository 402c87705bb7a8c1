package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// A log of an earlier run is not lost to the next one of the same name.
func TestLogThatIsThereIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	for _, text := range []string{"first", "second"} {
		file, err := beside(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{path: "second", path + ".old": "first"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s holds %q, want %q (%v)", name, got, want, err)
		}
	}
	file, err := beside(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
}
