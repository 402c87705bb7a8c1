// Package cluster is Kubernetes as a hand-over sees it: it watches what a move
// depends on, keeps a handover.View in step with it, and carries out the few
// writes that a move consists of.
//
// Open starts the watches and returns when they are filled; from then on a look
// at the cluster is a look at memory. A watch only queues what changed (queue);
// View translates that, and what depends on it, in its caller's goroutine
// (world). Kinds that are watched stand in kinds. A view may lag behind the API
// server by the time an event travels, which package handover is made for: it
// asks again for whatever it does not yet see.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/cache"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/problem"
)

// How long Open waits. A cluster of 5,000 nodes lists in a few seconds.
const (
	fillTime     = time.Minute      // for the first answers about kinds that every cluster has
	optionalTime = 10 * time.Second // for those about kinds that CRDs define, and controllers that are asked
)

// manager is the name under which changes appear in managedFields.
const manager = "drover"

// Cluster is an open connection with its watches.
type Cluster struct {
	client  kubernetes.Interface
	factory informers.SharedInformerFactory
	dynamic dynamicinformer.DynamicSharedInformerFactory
	clock   *clock
	queue   *queue
	asker   *asker
	world   *world
	stores  map[int]cache.Store             // by place in kinds; a kind that is not served has none
	unsure  map[string]cache.InformerSynced // by resource: of kinds that CRDs define, whether they could be listed
	cancel  context.CancelFunc
	stop    <-chan struct{} // closed by cancel

	mu     sync.Mutex
	broken error                               // the last error of a watch, for the one who waits in Open
	denied map[cache.SharedIndexInformer]error // watches that the caller has no right to
}

// Option changes how a cluster is dealt with: what kubectl drain has flags for.
type Option func(*Cluster)

// EndBare counts pods that nothing controls as ones that may be ended for good.
func EndBare() Option { return func(c *Cluster) { c.world.endsBare = true } }

// Grace gives pods that are evicted so long to end, instead of their own time: what
// their hooks promise holds no longer than that.
func Grace(d time.Duration) Option { return func(c *Cluster) { c.world.grace = &d } }

// Open watches the cluster until ctx ends or Close is called.
func Open(ctx context.Context, config *rest.Config, options ...Option) (*Cluster, error) {
	clock := newClock()
	config = rest.CopyConfig(config)
	config.Wrap(clock.wrap)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	foreign, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	watching, cancel := context.WithCancel(ctx)
	c := newCluster(client, foreign, clock, watching.Done(), cancel)
	for _, o := range options {
		o(c)
	}
	if err := c.fill(watching, ctx); err != nil {
		c.Close()
		return nil, unopened(config.Host, err)
	}
	return c, nil
}

// unopened is why a cluster cannot be watched.
func unopened(host string, err error) error {
	p := &problem.Error{Kind: problem.Outside, Op: "watch the cluster at " + host, Err: err,
		Fix: "see that the endpoint can be reached and that your AWS identity may read the cluster (an EKS access entry with AmazonEKSClusterAdminPolicy)"}
	if errors.Is(err, handover.ErrBarred) {
		p.Kind, p.Fix = problem.Refused, handover.RightsFix
	}
	return p
}

// Dial connects without any watch: for the records and locks of moves. There is
// no view.
func Dial(config *rest.Config) (*Cluster, error) {
	clock := newClock()
	config = rest.CopyConfig(config)
	config.Wrap(clock.wrap)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	return &Cluster{client: client, clock: clock}, nil
}

// Labels are those of all nodes, by name.
func (c *Cluster) Labels(ctx context.Context) (map[string]map[string]string, error) {
	nodes, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	labels := map[string]map[string]string{}
	for _, n := range nodes.Items {
		labels[n.Name] = n.Labels
	}
	return labels, nil
}

// Now is the API server's time.
func (c *Cluster) Now() time.Time { return c.clock.Now() }

func newCluster(client kubernetes.Interface, foreign dynamic.Interface, clock *clock, stop <-chan struct{}, cancel context.CancelFunc) *Cluster {
	c := &Cluster{
		client:  client,
		factory: informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(slim)),
		dynamic: dynamicinformer.NewDynamicSharedInformerFactory(foreign, 0),
		clock:   clock,
		queue:   newQueue(),
		stores:  map[int]cache.Store{},
		denied:  map[cache.SharedIndexInformer]error{},
		unsure:  map[string]cache.InformerSynced{},
		cancel:  cancel,
		stop:    stop,
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	c.asker = newAsker(foreign, mapper, func(key string) { c.queue.add(change{kindAnswer, key}) })
	c.world = newWorld(c.asker.ask)
	return c
}

// fill starts every watch and waits for its first answer.
func (c *Cluster) fill(watching, ctx context.Context) error {
	served, err := c.served()
	if err != nil {
		return err
	}
	var needed, optional []cache.SharedIndexInformer
	for i, k := range kinds {
		switch {
		case k.watch != nil:
			needed = append(needed, k.watch(c.factory))
			err = c.follow(i, needed[len(needed)-1])
		case served[i].Resource != "":
			optional = append(optional, c.dynamic.ForResource(served[i]).Informer())
			c.unsure[served[i].GroupResource().String()] = optional[len(optional)-1].HasSynced
			err = c.follow(i, optional[len(optional)-1])
		}
		if err != nil {
			return err
		}
	}
	c.factory.Start(c.stop)
	c.dynamic.Start(c.stop)
	full := c.synced(ctx, fillTime, needed)
	if err := c.lacks(needed...); err != nil {
		return err
	}
	if !full {
		return c.unfilled(needed)
	}
	c.synced(ctx, optionalTime, optional) // one that may not be read is like one that is not served
	c.asker.start(watching)
	return c.inquire(ctx)
}

// served tells, by place in kinds, where the API server has those that CRDs define.
func (c *Cluster) served() (map[int]schema.GroupVersionResource, error) {
	groups, err := c.client.Discovery().ServerGroups()
	if err != nil {
		return nil, err
	}
	versions := map[string][]string{} // by group, the preferred one first
	for _, g := range groups.Groups {
		for _, v := range g.Versions {
			versions[g.Name] = append(versions[g.Name], v.Version)
		}
		versions[g.Name] = preferring(g.PreferredVersion.Version, versions[g.Name])
	}
	found := map[int]schema.GroupVersionResource{}
	for at, k := range kinds {
		if k.optional.Resource == "" {
			continue // Kubernetes' own
		}
		if found[at], err = c.version(k.optional, versions[k.optional.Group]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// version is a resource in the version that it is known by, if the API server has
// that, else in the first one that it has. It is zero where none is served.
func (c *Cluster) version(known schema.GroupVersionResource, versions []string) (schema.GroupVersionResource, error) {
	for _, v := range preferring(known.Version, versions) {
		r := known.GroupResource().WithVersion(v)
		if is, err := c.serves(r); is || err != nil {
			return r, err
		}
	}
	return schema.GroupVersionResource{}, nil
}

// preferring puts one of the versions in front, if it is among them.
func preferring(version string, versions []string) []string {
	at := slices.Index(versions, version)
	if at < 0 {
		return versions
	}
	return slices.Concat([]string{version}, versions[:at], versions[at+1:])
}

// serves: the API server has the resource. What it cannot tell of a group is not served.
func (c *Cluster) serves(r schema.GroupVersionResource) (bool, error) {
	list, err := c.client.Discovery().ServerResourcesForGroupVersion(r.GroupVersion().String())
	switch {
	case apierrors.IsNotFound(err), discovery.IsGroupDiscoveryFailedError(err), apierrors.IsServiceUnavailable(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return slices.ContainsFunc(list.APIResources, func(a metav1.APIResource) bool { return a.Name == r.Resource }), nil
}

// Optional are the resources that are watched only where they are served: those that
// CRDs define, in the versions that they are known by.
func Optional() []schema.GroupVersionResource {
	var all []schema.GroupVersionResource
	for _, k := range kinds {
		if k.optional.Resource != "" {
			all = append(all, k.optional)
		}
	}
	return all
}

// follow has a kind's changes queued.
func (c *Cluster) follow(kind int, informer cache.SharedIndexInformer) error {
	if err := c.heed(informer); err != nil {
		return err
	}
	c.stores[kind] = informer.GetStore()
	_, err := informer.AddEventHandler(c.queue.handler(kind))
	return err
}

// synced waits until each watch has its first answer, or may not have one.
func (c *Cluster) synced(ctx context.Context, limit time.Duration, all []cache.SharedIndexInformer) bool {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	full := make([]cache.InformerSynced, len(all))
	for i, informer := range all {
		full[i] = func() bool { return informer.HasSynced() || c.lacks(informer) != nil }
	}
	return cache.WaitForCacheSync(limited.Done(), full...)
}

// lacks is the right to the first of the watches that the caller has none to.
func (c *Cluster) lacks(all ...cache.SharedIndexInformer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, informer := range all {
		if err := c.denied[informer]; err != nil && !informer.HasSynced() { // else it was given since
			return barred(err)
		}
	}
	return nil
}

// unfilled says which watch has no answer, and why.
func (c *Cluster) unfilled(needed []cache.SharedIndexInformer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	n := len(slices.DeleteFunc(slices.Clone(needed), func(i cache.SharedIndexInformer) bool { return i.HasSynced() }))
	return fmt.Errorf("no answer within %s for %d of %d kinds", fillTime, n, len(needed))
}

// inquire waits for the answers of controllers that must be asked, so that the
// first view knows what they want. Who does not answer in time is not waited for.
func (c *Cluster) inquire(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, optionalTime)
	defer cancel()
	if _, err := c.View(); err != nil {
		return err
	}
	for !c.asker.idle() {
		select {
		case <-limited.Done():
			return ctx.Err()
		case <-c.queue.signal: // each answer gives one
		}
	}
	select {
	case c.queue.signal <- struct{}{}: // the caller has not seen anything yet
	default:
	}
	return nil
}

// slim drops what nothing here reads and what is half of many an object.
func slim(obj any) (any, error) {
	if m, err := meta.Accessor(obj); err == nil {
		m.SetManagedFields(nil)
	}
	return obj, nil
}

// heed has the errors of a watch noted that has not started yet.
func (c *Cluster) heed(informer cache.SharedIndexInformer) error {
	return informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.broken = err
		if apierrors.IsForbidden(err) {
			c.denied[informer] = err
		}
	})
}

// unlisted are the resources of kinds that CRDs define and that are served, but could
// not be listed.
func (c *Cluster) unlisted() []string {
	var all []string
	for _, resource := range slices.Sorted(maps.Keys(c.unsure)) {
		if !c.unsure[resource]() {
			all = append(all, resource)
		}
	}
	return all
}

// Changed receives after something changed.
func (c *Cluster) Changed() <-chan struct{} { return c.queue.signal }

// View is the cluster as the watches have seen it by now.
func (c *Cluster) View() (*handover.View, error) {
	for at := range c.queue.drain() {
		now, err := c.find(at)
		if err != nil {
			return nil, err
		}
		c.world.see(at.kind, at.key, now)
	}
	c.world.bring()
	c.world.view.Now = c.clock.Now()
	return c.world.view, nil
}

// find is an object as its watch has it; nil: it is gone.
func (c *Cluster) find(at change) (any, error) {
	if at.kind == kindAnswer {
		if a := c.asker.answer(at.key); a != nil {
			return a, nil
		}
		return nil, nil
	}
	now, there, err := c.stores[at.kind].GetByKey(at.key)
	if !there {
		return nil, err
	}
	return now, err
}

// Close ends the watches and waits for them.
func (c *Cluster) Close() {
	c.cancel()
	c.asker.stop()
	c.factory.Shutdown()
	c.dynamic.Shutdown()
}
