package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://container
	"gocloud.dev/blob/gcsblob"     // gs://bucket
	_ "gocloud.dev/blob/memblob"   // mem://
	_ "gocloud.dev/blob/s3blob"    // s3://bucket
	"gocloud.dev/gcerrors"
	"gocloud.dev/gcp"

	"github.com/droverhq/drover/internal/sleep"
	"github.com/droverhq/drover/problem"
)

// bucket is a place in an object store. All that it must be able to do beyond
// reading and writing is to refuse to make an object that is there: S3
// (If-None-Match), Google's (ifGenerationMatch=0) and Azure's can, and what is
// read and listed after a write is what was written.
type bucket struct{ *blob.Bucket }

// openBucket opens the bucket of a URL below the URL's path.
func openBucket(ctx context.Context, u *url.URL) (bucket, error) {
	root, open := *u, blob.OpenBucket
	root.Path = ""
	if u.Scheme == gcsblob.Scheme {
		open = openGoogle
	}
	b, err := open(ctx, root.String())
	if err != nil {
		return bucket{}, err
	}
	if path := strings.Trim(u.Path, "/"); path != "" {
		b = blob.PrefixedBucket(b, path+"/")
	}
	return bucket{b}, nil
}

// openGoogle says how to get credentials where there are none, which gocloud.dev
// only prints.
func openGoogle(ctx context.Context, storeURL string) (*blob.Bucket, error) {
	u, err := url.Parse(storeURL)
	if err != nil {
		return nil, err
	}
	client := gcp.NewAnonymousHTTPClient(gcp.DefaultTransport())
	if u.Query().Get("anonymous") != "true" {
		credentials, err := gcp.DefaultCredentials(ctx)
		if err != nil {
			return nil, &problem.Error{Kind: problem.Usage, Op: "open state " + storeURL, Err: err,
				Fix: "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS"}
		}
		if client, err = gcp.NewHTTPClient(gcp.DefaultTransport(), gcp.CredentialsTokenSource(credentials)); err != nil {
			return nil, err
		}
	}
	b, err := (&gcsblob.URLOpener{Client: client}).OpenBucketURL(ctx, u)
	if err != nil {
		return nil, err
	}
	var service *storage.Client
	if b.As(&service) { // by default, writes and deletes that have no condition are sent once, and writes once if the connection ends
		service.SetRetry(storage.WithPolicy(storage.RetryAlways), storage.WithErrorFunc(storage.ShouldRetry))
	}
	return b, nil
}

// callLimit is how long one call may take, with all that the clients of the
// clouds do to repeat it: Google's would do so for ever.
const callLimit = 2 * time.Minute

func (b bucket) list(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	it := b.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := b.next(ctx, it)
		if errors.Is(err, io.EOF) {
			slices.Sort(keys)
			return keys, nil
		}
		if err != nil {
			return nil, unreachable("list", prefix, err)
		}
		keys = append(keys, o.Key)
	}
}

func (b bucket) next(ctx context.Context, it *blob.ListIterator) (*blob.ListObject, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return it.Next(ctx)
}

func (b bucket) read(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	data, err := b.ReadAll(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, &fs.PathError{Op: "read", Path: key, Err: fmt.Errorf("%w: %w", fs.ErrNotExist, err)}
	}
	return data, unreachable("read", key, err)
}

// create makes an object, or finds that it is there. If an answer was lost,
// the call that repeats it, the client's own too, meets what the first one
// made: that is told by what stands there, of which no two are alike.
func (b bucket) create(ctx context.Context, key string, data []byte) error {
	err := b.makeNew(ctx, key, data)
	if err != nil {
		there, readErr := b.read(ctx, key)
		switch {
		case readErr == nil && bytes.Equal(there, data):
		case gcerrors.Code(err) == gcerrors.FailedPrecondition:
			return &fs.PathError{Op: "create", Path: key, Err: fs.ErrExist}
		default:
			return unreachable("write", key, err)
		}
	}
	return b.keepsConditions(ctx, key, data)
}

// contests is how often an object is tried to be made while others make or
// delete it, and contestPause the pause between: S3 asks for another try then.
const (
	contests     = 20
	contestPause = 50 * time.Millisecond
)

func (b bucket) makeNew(ctx context.Context, key string, data []byte) (err error) {
	for range contests {
		err = b.write(ctx, key, data, true)
		var coded interface{ ErrorCode() string }
		if !errors.As(err, &coded) || coded.ErrorCode() != "ConditionalRequestConflict" {
			return err
		}
		if err := sleep.For(ctx, contestPause); err != nil {
			return err
		}
	}
	return err
}

// keepsConditions makes the same object once more, which must be refused: there
// are stores that look like S3 and do what they were told not to do. Two could
// have one lock there.
func (b bucket) keepsConditions(ctx context.Context, key string, data []byte) error {
	err := b.makeNew(ctx, key, data)
	switch {
	case gcerrors.Code(err) == gcerrors.FailedPrecondition:
		return nil
	case err != nil:
		return unreachable("write", key, err)
	}
	return errors.Join(b.remove(ctx, key), &problem.Error{Kind: problem.Refused, Op: "write " + key,
		Err: errors.New("the bucket wrote what it was told not to write over (If-None-Match: *): two runs could work at once"),
		Fix: "keep the state in a store that keeps conditions of writes: S3, Google Cloud Storage, Azure Blob Storage, or a recent version of yours"})
}

func (b bucket) replace(ctx context.Context, key string, data []byte) error {
	return unreachable("write", key, b.write(ctx, key, data, false))
}

// write is no WriteAll: that panics where Azure refuses (gocloud.dev v0.47.0,
// whose writer closes a pipe twice).
func (b bucket) write(ctx context.Context, key string, data []byte, onlyNew bool) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return b.Upload(ctx, key, bytes.NewReader(data), &blob.WriterOptions{IfNotExist: onlyNew, ContentType: "application/octet-stream"})
}

func (b bucket) remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	err := b.Delete(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return unreachable("delete", key, err)
}

// begin writes a segment: objects do not grow.
func (b bucket) begin(ctx context.Context, key string, batch []byte) (log, error) {
	return nil, b.replace(ctx, key, batch)
}

func (b bucket) close() error { return b.Close() }

// unreachable says what to do about a call of a bucket that failed.
func unreachable(op, key string, err error) error {
	if err == nil {
		return nil
	}
	fix := "check the credentials, the network and the bucket, then run the same command again"
	switch gcerrors.Code(err) {
	case gcerrors.PermissionDenied:
		fix = "give yourself the right to list, read, write and delete objects in the bucket of the state"
	case gcerrors.NotFound:
		fix = "make the bucket, or correct its name in drover.yaml (state:) or DROVER_STATE; if it is there, check your rights"
	default: // the rest has the remedy above
	}
	return &problem.Error{Kind: problem.Outside, Op: op + " " + key, Err: err, Fix: fix}
}
