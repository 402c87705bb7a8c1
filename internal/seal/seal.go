// Package seal encrypts the secrets of a stack.
//
// A stack has one random data key. It is stored beside what it has sealed, but
// wrapped: encrypted with a passphrase (age, scrypt) or by the key management
// service of a cloud. Secrets are sealed with the data key, one by one, so that
// opening a stack costs one passphrase and not one a secret.
//
// It stands below packages state and project, which store what it seals, and
// knows nothing of either.
package seal

import (
	"bytes"
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"sync"

	"filippo.io/age"
	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/awskms"        // awskms://alias/drover?region=us-west-2
	_ "gocloud.dev/secrets/azurekeyvault" // azurekeyvault://vault.vault.azure.net/keys/drover
	_ "gocloud.dev/secrets/gcpkms"        // gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/drover
	_ "gocloud.dev/secrets/hashivault"    // hashivault://drover

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Wrapped is a data key as it is stored.
type Wrapped struct {
	KMS string `json:"kms,omitempty" yaml:"kms,omitempty"` // URL of the service's key; empty: a passphrase
	Key string `json:"key"           yaml:"key"`           // the data key, encrypted; base64
}

// Key seals and opens. It may be used from several goroutines.
type Key struct{ aead cipher.AEAD }

var _ value.Sealer = (*Key)(nil)

// keySize is that of AES-256.
const keySize = 32

func newKey(data []byte) (*Key, error) {
	block, err := aes.NewCipher(data)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block) // good for 2^32 secrets of one key
	return &Key{aead}, err
}

// version stands before what is sealed, and is authenticated with it.
const version = "v1:"

// Seal encrypts.
func (k *Key) Seal(plain []byte) (string, error) {
	sealed := k.aead.Seal(nil, nil, plain, []byte(version))
	return version + base64.RawStdEncoding.EncodeToString(sealed), nil
}

// Open decrypts what Seal made with the same key.
func (k *Key) Open(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, version)
	sealed, err := base64.RawStdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return nil, damaged(errors.New("a sealed secret is damaged, or a newer drover wrote it"))
	}
	plain, err := k.aead.Open(nil, nil, sealed, []byte(version))
	if err != nil {
		return nil, damaged(errors.New("a sealed secret was changed, or sealed with another key"))
	}
	return plain, nil
}

func damaged(err error) error {
	return &problem.Error{Kind: problem.Usage, Op: "open a secret", Err: err,
		Fix: "set it again: drover config set --secret KEY; or put back the file as it was"}
}

// Ring finds keys, and asks for each passphrase once.
type Ring struct {
	// KMS is the URL under which new data keys are wrapped; empty: a passphrase.
	KMS string

	// Given is the passphrase that stands in the environment; empty: none does.
	Given func() (string, error)

	// Ask asks a person; nil: there is nobody. Fresh says that the passphrase will
	// protect a new key, so that a slip of the pen would lock everybody out.
	Ask func(ctx context.Context, fresh bool) (string, error)

	// WorkFactor of scrypt as a power of two; 0 is workFactor.
	WorkFactor int

	mu        sync.Mutex
	open      map[Wrapped]*Key
	preferred *Wrapped
	quiet     bool
}

// Prefer makes New give this key, so that all files of a stack share one.
func (r *Ring) Prefer(w Wrapped) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.preferred = &w
}

// New is the key for what has none yet: the preferred one, or a random one.
func (r *Ring) New(ctx context.Context) (Wrapped, *Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.preferred != nil {
		k, err := r.unwrap(ctx, *r.preferred)
		return *r.preferred, k, err
	}
	data := make([]byte, keySize)
	_, _ = rand.Read(data) // never fails
	k, err := newKey(data)
	if err != nil {
		return Wrapped{}, nil, err
	}
	w, err := r.wrap(ctx, data)
	if err != nil {
		return Wrapped{}, nil, err
	}
	r.remember(w, k)
	r.preferred = &w
	return w, k, nil
}

// Open is the key that was wrapped. A wrong passphrase is told at once.
func (r *Ring) Open(ctx context.Context, w Wrapped) (*Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unwrap(ctx, w)
}

func (r *Ring) remember(w Wrapped, k *Key) {
	if r.open == nil {
		r.open = make(map[Wrapped]*Key)
	}
	r.open[w] = k
}

func (r *Ring) wrap(ctx context.Context, data []byte) (Wrapped, error) {
	w := Wrapped{KMS: r.KMS}
	encrypt := r.withPassphrase
	if w.KMS != "" {
		encrypt = r.withService
	}
	sealed, err := encrypt(ctx, data)
	w.Key = base64.StdEncoding.EncodeToString(sealed)
	return w, err
}

func (r *Ring) unwrap(ctx context.Context, w Wrapped) (*Key, error) {
	if k := r.open[w]; k != nil {
		return k, nil
	}
	sealed, err := base64.StdEncoding.DecodeString(w.Key)
	if err != nil {
		return nil, damaged(errors.New("the key of the stack is damaged"))
	}
	var data []byte
	if w.KMS != "" {
		data, err = viaService(ctx, w.KMS, sealed)
	} else {
		data, err = r.viaPassphrase(ctx, sealed)
	}
	if err != nil {
		return nil, err
	}
	k, err := newKey(data)
	if err != nil {
		return nil, damaged(errors.New("the key of the stack is damaged"))
	}
	r.remember(w, k)
	return k, nil
}

func (r *Ring) passphrase(ctx context.Context, fresh bool) (string, error) {
	if r.Given != nil {
		if p, err := r.Given(); err != nil || p != "" {
			return p, err
		}
	}
	if r.Ask == nil || r.quiet {
		return "", noPassphrase(errors.New("there are secrets, and no passphrase"))
	}
	p, err := r.Ask(ctx, fresh)
	if err == nil && p == "" {
		err = noPassphrase(errors.New("the passphrase is empty"))
	}
	return p, err
}

// Quiet ends the asking: from now on somebody watches a screen that a question
// would spoil.
func (r *Ring) Quiet() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quiet = true
}

func noPassphrase(err error) error {
	return &problem.Error{Kind: problem.Usage, Op: "open the stack's secrets", Err: err,
		Fix: "set DROVER_PASSPHRASE, or DROVER_PASSPHRASE_FILE to a file that holds it"}
}

// workFactor costs every command that opens a stack 64 MB and a quarter of a
// second. age's own, 18, costs 256 MB and a second.
const workFactor = 16

func (r *Ring) withPassphrase(ctx context.Context, data []byte) ([]byte, error) {
	p, err := r.passphrase(ctx, true)
	if err != nil {
		return nil, err
	}
	to, err := age.NewScryptRecipient(p)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(cmp.Or(r.WorkFactor, workFactor))
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

func (r *Ring) viaPassphrase(ctx context.Context, sealed []byte) ([]byte, error) {
	p, err := r.passphrase(ctx, false)
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(p)
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(bytes.NewReader(sealed), id)
	var wrong *age.NoIdentityMatchError
	switch {
	case errors.As(err, &wrong):
		return nil, noPassphrase(errors.New("the passphrase is wrong"))
	case err != nil:
		return nil, damaged(errors.New("the key of the stack is damaged"))
	}
	return io.ReadAll(plain)
}

func (r *Ring) withService(ctx context.Context, data []byte) ([]byte, error) {
	keeper, err := secrets.OpenKeeper(ctx, r.KMS)
	if err != nil {
		return nil, noService(r.KMS, err)
	}
	defer func() { _ = keeper.Close() }()
	sealed, err := keeper.Encrypt(ctx, data)
	if err != nil {
		return nil, noService(r.KMS, err)
	}
	return sealed, nil
}

func viaService(ctx context.Context, url string, sealed []byte) ([]byte, error) {
	keeper, err := secrets.OpenKeeper(ctx, url)
	if err != nil {
		return nil, noService(url, err)
	}
	defer func() { _ = keeper.Close() }()
	data, err := keeper.Decrypt(ctx, sealed)
	if err != nil {
		return nil, noService(url, err)
	}
	return data, nil
}

func noService(url string, err error) error {
	return &problem.Error{Kind: problem.Usage, Op: "open the stack's secrets with " + url, Err: err,
		Fix: "check the URL (docs/secrets.md) and that your credentials may encrypt and decrypt with that key"}
}
