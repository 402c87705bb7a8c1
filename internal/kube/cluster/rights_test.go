package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/problem"
)

// bar has the API server refuse a verb on a resource to whoever calls.
func bar(client *fake.Clientset, verb, resource string) {
	no := apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("User cannot "+verb+" it"))
	client.PrependReactor(verb, resource, func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, no })
}

// A right to what moves keep in the cluster that the caller lacks is told as that,
// with the command that prints the roles.
func TestLackingRightToWhatMovesKeep(t *testing.T) {
	ctx := t.Context()
	lock := func(c *Cluster) error { _, err := c.Lock(ctx, "web", "me", time.Minute); return err }
	for name, tt := range map[string]struct {
		verb, resource string
		call           func(*Cluster) error
	}{
		"look for a lock": {"get", "leases", lock},
		"make a lock":     {"create", "leases", lock},
		"renew a lock":    {"update", "leases", func(c *Cluster) error { return errors.Join(lock(c), lock(c)) }},
		"list locks":      {"list", "leases", func(c *Cluster) error { _, err := c.Locks(ctx); return err }},
		"ask for an end":  {"patch", "leases", func(c *Cluster) error { return c.Ask(ctx, "web", handover.Wish{What: handover.AbortIt}) }},
		"list records":    {"list", "configmaps", func(c *Cluster) error { _, err := c.Records(ctx); return err }},
		"write a record":  {"patch", "configmaps", func(c *Cluster) error { return c.SaveRecord(ctx, "web", []byte("{}")) }},
		"forget a record": {"delete", "configmaps", func(c *Cluster) error { return c.SaveRecord(ctx, "web", nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset()
			bar(client, tt.verb, tt.resource)
			wantBarred(t, tt.call(&Cluster{client: client, clock: newClock()}))
		})
	}
}

func wantBarred(t *testing.T, err error) {
	t.Helper()
	var p *problem.Error
	if !errors.Is(err, handover.ErrBarred) || !errors.As(err, &p) || p.Kind != problem.Refused || p.Fix != handover.RightsFix {
		t.Errorf("got %v", err)
	}
}

// What must be watched, and may not be, is told at once.
func TestLackingRightToWatch(t *testing.T) {
	for _, resource := range []string{"poddisruptionbudgets", "nodes"} {
		synctest.Test(t, func(t *testing.T) {
			client := fake.NewClientset()
			bar(client, "list", resource)
			ctx, cancel := context.WithCancel(context.Background())
			c := newCluster(client, dynamicfake.NewSimpleDynamicClient(runtime.NewScheme()), newClock(), ctx.Done(), cancel)
			began := time.Now()
			err := c.fill(ctx, ctx)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: after %s", resource, took)
			}
			wantBarred(t, unopened("https://here", err))
			c.Close()
		})
	}
}

// What only the placement of pods rests on is not waited for, either.
func TestLackingRightToLookAtNamespaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		bar(client, "list", "namespaces")
		ctx, cancel := context.WithCancel(context.Background())
		c := newCluster(client, dynamicfake.NewSimpleDynamicClient(runtime.NewScheme()), newClock(), ctx.Done(), cancel)
		defer c.Close()
		if err := c.fill(ctx, ctx); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			began := time.Now()
			if _, err := c.schedulable(ctx); !errors.Is(err, errUnseen) || time.Since(began) > 5*time.Second {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		}
	})
}
