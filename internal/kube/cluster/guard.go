package cluster

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/droverhq/drover/internal/handover"
)

// What a sentinel is made of. It is bound to its node from the start, so the
// scheduler counts it there; its image exists nowhere and is never pulled, so it
// never runs.
const (
	ownNamespace     = metav1.NamespaceSystem
	sentinelPrefix   = "drover-sentinel-"
	sentinelImage    = "drover.dev/sentinel:never-pulled"
	repelsAnnotation = "drover.dev/repels"
	longestLabel     = 63 // characters in a label's value
)

// Guard puts a sentinel on a node. One that repels others is replaced: its
// anti-affinity cannot be changed.
func (c *Cluster) Guard(ctx context.Context, node string, repels []handover.Repelled) error {
	live, err := c.client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return refused(ignoreNotFound(err)) // nothing lands on a node that is gone
	}
	want := sentinel(live, repels)
	pods := c.client.CoreV1().Pods(ownNamespace)
	_, err = pods.Create(ctx, want, metav1.CreateOptions{FieldManager: manager})
	if !apierrors.IsAlreadyExists(err) {
		return refused(err)
	}
	there, err := pods.Get(ctx, want.Name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return refused(err)
	}
	if err == nil {
		if there.Annotations[repelsAnnotation] == want.Annotations[repelsAnnotation] && !finished(there) && there.DeletionTimestamp == nil {
			return nil
		}
		if err := c.Unguard(ctx, node); err != nil {
			return err
		}
	}
	_, err = pods.Create(ctx, want, metav1.CreateOptions{FieldManager: manager})
	return refused(err)
}

// Unguard ends a node's sentinel at once: nothing runs in it.
func (c *Cluster) Unguard(ctx context.Context, node string) error {
	now := int64(0)
	return refused(ignoreNotFound(c.client.CoreV1().Pods(ownNamespace).Delete(ctx, sentinelPrefix+node, metav1.DeleteOptions{GracePeriodSeconds: &now})))
}

// sentinel satisfies the Pod Security Standard "restricted".
func sentinel(n *corev1.Node, repels []handover.Repelled) *corev1.Pod {
	no, yes, grace, nobody := false, true, int64(0), int64(65534)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ownNamespace, Name: sentinelPrefix + n.Name,
			Labels:      map[string]string{handover.SentinelLabel: labelValue(n.Name)},
			Annotations: map[string]string{repelsAnnotation: handover.Repels(repels)},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "Node", Name: n.Name, UID: n.UID,
			}},
		},
		Spec: corev1.PodSpec{
			NodeName:                      n.Name,
			RestartPolicy:                 corev1.RestartPolicyAlways,
			TerminationGracePeriodSeconds: &grace,
			AutomountServiceAccountToken:  &no,
			EnableServiceLinks:            &no,
			Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			Affinity:                      &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms(repels)}},
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &nobody, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "sentinel", Image: sentinelImage, ImagePullPolicy: corev1.PullNever,
				Resources: corev1.ResourceRequirements{ // written, so that a LimitRange adds nothing
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("0"), corev1.ResourceMemory: resource.MustParse("0")},
				},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

func terms(repels []handover.Repelled) []corev1.PodAffinityTerm {
	all := make([]corev1.PodAffinityTerm, len(repels))
	for i, r := range repels {
		all[i] = corev1.PodAffinityTerm{
			TopologyKey: corev1.LabelHostname, Namespaces: []string{r.Namespace},
			LabelSelector: &metav1.LabelSelector{MatchLabels: r.Labels},
		}
	}
	return all
}

// labelValue is a node's name as far as a label can hold it.
func labelValue(name string) string {
	return strings.TrimRight(name[:min(len(name), longestLabel)], "-.")
}
