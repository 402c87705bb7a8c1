package lbcontroller

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// stack is what shall be on AWS for an Ingress, a group of them or a Service.
type stack struct {
	item
	balancer *loadBalancer           // nil: nothing shall be
	groups   map[string]*targetGroup // by name
}

// loadBalancer is a load balancer with all that hangs on it.
type loadBalancer struct {
	name       string
	kind       types.LoadBalancerTypeEnum
	scheme     types.LoadBalancerSchemeEnum
	subnets    []string // empty: found by their tags
	security   []string // empty: one of its own is made
	attributes map[string]string
	listeners  []listener
}

type listener struct {
	port         int32
	protocol     types.ProtocolEnum
	certificates []string
	policy       string
	alpn         string // a policy, of TLS
	otherwise    action
	rules        []rule // in their order
}

type rule struct {
	conditions []types.RuleCondition
	action     action
}

// action is one of the three.
type action struct {
	forward  []share
	sticky   *types.TargetGroupStickinessConfig
	redirect *types.RedirectActionConfig
	fixed    *types.FixedResponseActionConfig
}

// share is a target group of the stack, or one that somebody else made.
type share struct {
	group  *targetGroup
	arn    string
	weight int32
}

// targetGroup is a target group and the binding that fills it.
type targetGroup struct {
	name              string
	arn               string // once it is made
	kind              types.TargetTypeEnum
	protocol          types.ProtocolEnum
	port              int32
	check             check
	attributes        map[string]string
	namespace         string
	service           string
	servicePort       intstr.IntOrString
	resource          string // what the tag says that it is
	targetNodesLabels string
}

type check struct {
	protocol                              types.ProtocolEnum
	port, path, codes                     string
	interval, timeout, healthy, unhealthy int32
}

// made is the action in AWS's words; its target groups are there by now.
func (a action) made() types.Action {
	switch {
	case a.fixed != nil:
		return types.Action{Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: a.fixed}
	case a.redirect != nil:
		return types.Action{Type: types.ActionTypeEnumRedirect, RedirectConfig: a.redirect}
	}
	config := &types.ForwardActionConfig{TargetGroupStickinessConfig: a.sticky}
	for _, s := range a.forward {
		arn := s.arn
		if s.group != nil {
			arn = s.group.arn
		}
		config.TargetGroups = append(config.TargetGroups, types.TargetGroupTuple{TargetGroupArn: &arn, Weight: aws.Int32(s.weight)})
	}
	return types.Action{Type: types.ActionTypeEnumForward, ForwardConfig: config}
}

// tag prefixes and finalizers of the two kinds of stacks.
func (s stack) prefix() string { return string(s.kind) + ".k8s.aws" }

// id is the stack's name in tags.
func (s stack) id() string {
	if s.namespace == "" {
		return s.name
	}
	return s.namespace + "/" + s.name
}

// tags are those of one of the stack's resources.
func (s stack) tags(cluster, resource string) (tags []types.Tag) {
	for _, t := range [][2]string{{clusterTag, cluster}, {s.prefix() + "/stack", s.id()}, {s.prefix() + "/resource", resource}} {
		tags = append(tags, types.Tag{Key: &t[0], Value: &t[1]})
	}
	return tags
}

const clusterTag = "elbv2.k8s.aws/cluster"

// nameOf is a name of at most 32 characters, as the real controller makes them: two
// words cut to eight letters, and ten digits of a hash.
func nameOf(namespace, name string, of ...any) string {
	sum := sha256.Sum256(fmt.Append(nil, of...))
	hash := hex.EncodeToString(sum[:])[:10]
	if namespace == "" {
		return fmt.Sprintf("k8s-%.17s-%s", letters(name), hash)
	}
	return fmt.Sprintf("k8s-%.8s-%.8s-%s", letters(namespace), letters(name), hash)
}

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(s))
}
