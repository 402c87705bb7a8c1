package seal_test

import (
	"context"
	"strings"
	"testing"

	_ "gocloud.dev/secrets/localsecrets"

	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/problem"
)

// quick is scrypt with next to no work.
const quick = 2

func ring(passphrase string) *seal.Ring {
	return &seal.Ring{WorkFactor: quick, Ask: func(context.Context, bool) (string, error) { return passphrase, nil }}
}

// What one command has sealed, the next one opens with the same passphrase and
// with no other.
func TestPassphrase(t *testing.T) {
	ctx := context.Background()
	w, key, err := ring("correct horse").New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal([]byte("hunter2"))
	if err != nil || strings.Contains(sealed, "hunter2") {
		t.Fatal(sealed, err)
	}
	again, err := ring("correct horse").Open(ctx, w)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open(sealed); err != nil || string(plain) != "hunter2" {
		t.Errorf("have %q, %v", plain, err)
	}
	if _, err := ring("wrong").Open(ctx, w); err == nil || !strings.Contains(err.Error(), "the passphrase is wrong") || problem.Exit(err) != 2 {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := (&seal.Ring{}).Open(ctx, w); err == nil || problem.Exit(err) != 2 {
		t.Errorf("no passphrase: %v", err)
	}
}

// A secret that was changed, or belongs to another stack, is told from a good one.
func TestChangedSecret(t *testing.T) {
	ctx := context.Background()
	_, key, err := ring("a").New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := ring("a").New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := key.Seal([]byte("hunter2"))
	for _, text := range []string{"", "v1:", "v2:" + sealed[3:], sealed[:len(sealed)-2] + "AA", "hunter2"} {
		if plain, err := key.Open(text); err == nil {
			t.Errorf("%q opens as %q", text, plain)
		}
	}
	if plain, err := other.Open(sealed); err == nil {
		t.Errorf("another key opens it: %q", plain)
	}
}

// One passphrase is asked for once, however many secrets there are; all files
// of a stack share the first key.
func TestAskedOnce(t *testing.T) {
	asked := 0
	r := &seal.Ring{WorkFactor: quick, Ask: func(context.Context, bool) (string, error) { asked++; return "a", nil }}
	ctx := context.Background()
	w, _, err := r.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := r.New(ctx)
	if err != nil || again != w {
		t.Errorf("a second key: %v", err)
	}
	if _, err := r.Open(ctx, w); err != nil || asked != 1 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

// The key may be kept by a service instead; its URL is stored with it.
func TestService(t *testing.T) {
	const url = "base64key://smGbjm71Nxd1Ig5FS0wj9SlbzAIrnolCz9bQQ6uAhl4="
	ctx := context.Background()
	w, key, err := (&seal.Ring{KMS: url}).New(ctx)
	if err != nil || w.KMS != url {
		t.Fatal(w, err)
	}
	sealed, _ := key.Seal([]byte("hunter2"))
	again, err := (&seal.Ring{}).Open(ctx, w)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open(sealed); err != nil || string(plain) != "hunter2" {
		t.Errorf("have %q, %v", plain, err)
	}
	if _, _, err := (&seal.Ring{KMS: "awskms-typo://x"}).New(ctx); problem.Exit(err) != 2 {
		t.Errorf("%v", err)
	}
}
