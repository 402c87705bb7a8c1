package kube

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/droverhq/drover/problem"
)

// reclaimTime is how long a driver may take to delete a volume: to detach one
// from a node that was in use takes a minute or two.
const reclaimTime = 5 * time.Minute

// provisioner is on volumes that a driver has made, and deletes.
const provisioner = "pv.kubernetes.io/provisioned-by"

// untilReclaimed waits until the volume of a claim that is gone is gone, too, if
// it is to go: its driver deletes it, and must not lose its pods or the cluster
// before it has.
func (c *client) untilReclaimed(ctx context.Context, claim *unstructured.Unstructured, wait func(string)) error {
	name := field(claim, "spec", "volumeName")
	if name == "" {
		return nil
	}
	t := target{gvk: schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolume"}, resource: "persistentvolumes", name: name}
	began := time.Now()
	err := c.follow(ctx, t, func(u *unstructured.Unstructured) (bool, error) {
		driver := ""
		if u != nil {
			driver = u.GetAnnotations()[provisioner]
		}
		if driver == "" || field(u, "spec", "persistentVolumeReclaimPolicy") != "Delete" || field(u, "spec", "claimRef", "uid") != string(claim.GetUID()) {
			return true, nil
		}
		if time.Since(began) > reclaimTime {
			return false, &problem.Error{Kind: problem.Outside, Op: "delete the volume of persistentvolumeclaim " + claim.GetNamespace() + "/" + claim.GetName(),
				Err:   fmt.Errorf("persistentvolume %s is still there after %s", name, reclaimTime),
				Notes: c.reasons(ctx, t, u),
				Fix: fmt.Sprintf("see whether its driver (%s) runs: kubectl describe %s. The same command goes on without it: then delete the volume yourself, it goes on to cost money",
					driver, t.kubectl())}
		}
		if wait != nil {
			wait(fmt.Sprintf("waiting for %s to delete volume %s", driver, name))
		}
		return false, nil
	})
	if apierrors.IsForbidden(err) {
		return nil // who may not see volumes deletes claims all the same
	}
	return err
}
