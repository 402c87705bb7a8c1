package eks

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Manifests are the objects of add-ons that run as pods here.
type Manifests interface {
	Install(ctx context.Context, addon string) error
	Remove(ctx context.Context, addon string) error
}

// What EKS takes for add-ons, about a tenth of what it takes there.
const (
	addonTime     = time.Second      // a change, at the least
	addonPatience = 20 * time.Second // until pods that do not start make an add-on DEGRADED
)

// Installer does in the cluster what add-ons ask for. Of those that the sandbox
// knows CoreDNS alone runs as pods: what the others do the nodes do by themselves.
type Installer struct {
	store     *region.Store
	connect   Connect
	manifests func(plane int) Manifests
	now       func() time.Time
	scale     float64
	log       *slog.Logger
}

// NewInstaller makes an Installer. Connect is asked once there is an add-on.
func NewInstaller(store *region.Store, connect Connect, manifests func(plane int) Manifests, now func() time.Time,
	scale float64, log *slog.Logger) *Installer {
	return &Installer{store: store, connect: connect, manifests: manifests, now: now, scale: scale, log: log}
}

func (i *Installer) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * i.scale) }

// Run acts until ctx ends.
func (i *Installer) Run(ctx context.Context) {
	tick := time.NewTicker(max(i.scaled(turnPause), 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, a := range i.busy() {
			if err := i.turn(ctx, a); err != nil && ctx.Err() == nil {
				i.log.Warn("add-on", "name", a.AddonName, "err", err)
			}
		}
	}
}

// busy are the add-ons about which there is something to do.
func (i *Installer) busy() (list []region.Addon) {
	i.store.View(func(st *region.State) {
		for _, a := range region.Sorted(st.Addons) {
			switch a.Status {
			case region.AddonCreating, region.AddonUpdating, region.AddonDeleting, region.AddonDegraded:
				list = append(list, *a)
			}
		}
	})
	return list
}

// turn brings one add-on a step further.
func (i *Installer) turn(ctx context.Context, a region.Addon) error {
	if i.now().Before(a.Since.Add(i.scaled(addonTime))) {
		return nil
	}
	if a.AddonName != "coredns" {
		return i.settle(a, region.AddonActive)
	}
	plane := i.plane(a)
	client, err := i.connect(plane)
	if err != nil {
		return err
	}
	return coreDNS{Installer: i, client: client, manifests: i.manifests(plane)}.turn(ctx, a)
}

// plane is the control plane of the add-on's cluster.
func (i *Installer) plane(a region.Addon) (plane int) {
	i.store.View(func(st *region.State) {
		if c := st.Clusters[a.ClusterName]; c != nil {
			plane = c.Plane
		}
	})
	return plane
}

// settle ends what is under way, or takes an add-on away.
func (i *Installer) settle(a region.Addon, status string, issues ...region.AddonIssue) error {
	return i.store.Update(func(st *region.State) error {
		now, ok := st.Addons[a.ClusterName+"|"+a.AddonName]
		if !ok || now.Status != a.Status {
			return nil
		}
		if a.Status == region.AddonDeleting {
			st.RemoveAddon(now)
			return nil
		}
		st.SettleAddon(now, status, issues, region.Stamp(i.now()))
		return nil
	})
}

// coreDNS is the add-on that runs as a Deployment.
type coreDNS struct {
	*Installer
	client    kubernetes.Interface
	manifests Manifests
}

const (
	dnsSpace = "kube-system"
	dnsName  = "coredns"
)

func (d coreDNS) turn(ctx context.Context, a region.Addon) error {
	if a.Status == region.AddonDeleting {
		if !a.Preserve {
			if err := d.manifests.Remove(ctx, dnsName); err != nil {
				return err
			}
		}
		return d.settle(a, "")
	}
	live, err := d.client.AppsV1().Deployments(dnsSpace).Get(ctx, dnsName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return d.manifests.Install(ctx, dnsName) // the next turn gives it its version
	}
	if err != nil {
		return err
	}
	if failed, err := d.apply(ctx, a, live); failed || err != nil {
		return err
	}
	return d.judge(a, live)
}

// apply gives the Deployment the add-on's version, and what the add-on configures,
// unless what somebody else has set there is to stay.
func (d coreDNS) apply(ctx context.Context, a region.Addon, live *appsv1.Deployment) (failed bool, err error) {
	if len(live.Spec.Template.Spec.Containers) == 0 {
		return false, fmt.Errorf("the Deployment %s has no container", live.Name)
	}
	container := &live.Spec.Template.Spec.Containers[0]
	repository, version, _ := strings.Cut(container.Image, ":")
	foreign := version != a.Version && version != a.Before
	switch {
	case foreign && a.Conflicts == "PRESERVE" && a.Status == region.AddonUpdating:
		return false, nil
	case foreign && a.Conflicts != "OVERWRITE" && a.Status != region.AddonDegraded:
		status := region.AddonCreateFailed
		if a.Status == region.AddonUpdating {
			status = region.AddonUpdateFailed
		}
		return true, d.settle(a, status, region.AddonIssue{Code: "ConfigurationConflict",
			Message: "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode. Conflicts:\n" +
				"Deployment.apps coredns - .spec.template.spec.containers[name=\"coredns\"].image"})
	}
	replicas := configured(a)
	if version == a.Version && (replicas == nil || live.Spec.Replicas != nil && *replicas == *live.Spec.Replicas) {
		return false, nil
	}
	container.Image = repository + ":" + a.Version
	if replicas != nil {
		live.Spec.Replicas = replicas
	}
	_, err = d.client.AppsV1().Deployments(dnsSpace).Update(ctx, live, metav1.UpdateOptions{FieldManager: "eks"})
	return true, err // what it shows is judged in the next turn
}

// configured is the one value of the configuration that has an effect here.
func configured(a region.Addon) *int32 {
	var values struct {
		Replicas *int32 `json:"replicaCount"`
	}
	_ = json.Unmarshal([]byte(a.Configuration), &values) // it was looked at when it was asked for
	return values.Replicas
}

// judge ends a change once the pods serve, or tells that they do not.
func (d coreDNS) judge(a region.Addon, live *appsv1.Deployment) error {
	want := int32(1)
	if live.Spec.Replicas != nil {
		want = *live.Spec.Replicas
	}
	status := live.Status
	if status.ObservedGeneration >= live.Generation && status.UpdatedReplicas >= want && status.AvailableReplicas >= want && status.Replicas <= want {
		return d.settle(a, region.AddonActive)
	}
	if a.Status == region.AddonDegraded || d.now().Before(a.Since.Add(d.scaled(addonPatience))) {
		return nil
	}
	return d.settle(a, region.AddonDegraded, region.AddonIssue{Code: "InsufficientNumberOfReplicas",
		Message: "The add-on is unhealthy because it doesn't have the desired number of replicas.", Resources: []string{dnsName}})
}
