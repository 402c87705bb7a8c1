package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What Kubernetes takes (RFC 1123; Services RFC 1035), and what AWS takes.
var (
	dnsLabel     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	dnsSubdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	serviceLabel = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	labelPart    = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)
	logicalName  = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9_]*$`)
	awsType      = regexp.MustCompile(`^[A-Za-z0-9]{2,64}::[A-Za-z0-9]{2,64}::[A-Za-z0-9]{2,64}$`)
	kubeType     = regexp.MustCompile(`^([a-z0-9][-a-z0-9.]*/)?v[0-9]+((alpha|beta)[0-9]+)?/[A-Z][A-Za-z0-9]*$`)
	kubeVersion  = regexp.MustCompile(`^1\.[0-9]{2}$`)
	instanceType = regexp.MustCompile(`^[a-z][a-z0-9-]*\.(nano|micro|small|medium|large|[0-9]*xlarge|metal(-[0-9]+xl)?)$`)
	imageID      = regexp.MustCompile(`^ami-[0-9a-f]{8}([0-9a-f]{9})?$`)
	hostName     = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]+)?$`)
)

// Longest names. A group's name is the value of a label, and the project's
// that of an IAM role, both with the suffix.
const (
	maxLabel     = 63
	maxSubdomain = 253
	maxIAMName   = 64
	maxGroup     = maxLabel - SuffixLength
	maxProject   = maxIAMName - SuffixLength
)

// nameProperties are the properties that hold the physical name of types whose
// objects people name.
var nameProperties = map[string]string{
	"AWS::AutoScaling::AutoScalingGroup":        "AutoScalingGroupName",
	"AWS::EC2::LaunchTemplate":                  "LaunchTemplateName",
	"AWS::EC2::SecurityGroup":                   "GroupName",
	"AWS::EKS::Cluster":                         "Name",
	"AWS::EKS::Nodegroup":                       "NodegroupName",
	"AWS::ElasticLoadBalancing::LoadBalancer":   "LoadBalancerName",
	"AWS::ElasticLoadBalancingV2::LoadBalancer": "Name",
	"AWS::ElasticLoadBalancingV2::TargetGroup":  "Name",
	"AWS::IAM::InstanceProfile":                 "InstanceProfileName",
	"AWS::IAM::ManagedPolicy":                   "ManagedPolicyName",
	"AWS::IAM::Role":                            "RoleName",
	"AWS::Logs::LogGroup":                       "LogGroupName",
	"AWS::S3::Bucket":                           "BucketName",
	"AWS::SNS::Topic":                           "TopicName",
	"AWS::SQS::Queue":                           "QueueName",
}

const labelRule = "use a-z, 0-9 and -, with a letter or digit at both ends"

// checkLabel reports a name that is no DNS label of at most limit letters.
func (f field) checkLabel(name string, limit int, what string) {
	switch {
	case !dnsLabel.MatchString(name):
		f.fail(labelRule, "%q is not a name for %s", name, what)
	case len(name) > limit:
		f.fail(fmt.Sprintf("shorten it to %d characters", limit), "%q has %d characters; a name for %s has %d at most",
			name, len(name), what, limit)
	}
}

// objectNameRule is the rule of Kubernetes that the name of an object breaks;
// empty if it breaks none.
func objectNameRule(typ, name string) string {
	switch {
	case groupOf(typ) == "rbac.authorization.k8s.io":
		if name == "." || name == ".." || strings.ContainsAny(name, "/%") {
			return "use a name without / and %"
		}
	case typ == "v1/Namespace":
		if !dnsLabel.MatchString(name) || len(name) > maxLabel {
			return labelRule + ", 63 characters at most"
		}
	case typ == "v1/Service":
		if !serviceLabel.MatchString(name) || len(name) > maxLabel {
			return "use a-z, 0-9 and -, with a letter first and a letter or digit last, 63 characters at most"
		}
	case !dnsSubdomain.MatchString(name) || len(name) > maxSubdomain:
		return "use a-z, 0-9, - and ., with a letter or digit at both ends, 253 characters at most"
	}
	return ""
}

// labelKeyProblem says why a node's label or taint cannot have this key.
func labelKeyProblem(key string) string {
	prefix, name, found := strings.Cut(key, "/")
	if !found {
		name = key
	} else if !dnsSubdomain.MatchString(prefix) || len(prefix) > maxSubdomain {
		return fmt.Sprintf("%q is not a key: before the / stands a domain name", key)
	}
	if !labelPart.MatchString(name) || len(name) > maxLabel {
		return fmt.Sprintf("%q is not a key that Kubernetes takes", key)
	}
	return ""
}

func validLabelValue(v string) bool {
	return v == "" || labelPart.MatchString(v) && len(v) <= maxLabel
}

// kubeletMaySet tells whether a kubelet may give its own node this label: the
// API server (NodeRestriction) refuses others of Kubernetes' domains.
func kubeletMaySet(key string) bool {
	domain, _, found := strings.Cut(key, "/")
	if !found {
		return true
	}
	in := func(d string) bool { return domain == d || strings.HasSuffix(domain, "."+d) }
	return in("node.kubernetes.io") || in("kubelet.kubernetes.io") || !in("kubernetes.io") && !in("k8s.io")
}

// clusterScoped are Kubernetes' own kinds that belong to no namespace.
var clusterScoped = []string{
	"APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding",
	"ClusterTrustBundle", "CustomResourceDefinition", "DeviceClass", "FlowSchema", "IPAddress", "IngressClass",
	"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "Namespace", "Node",
	"PersistentVolume", "PriorityClass", "PriorityLevelConfiguration", "ResourceSlice", "RuntimeClass", "ServiceCIDR",
	"StorageClass", "StorageVersion", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
	"ValidatingWebhookConfiguration", "VolumeAttachment", "VolumeAttributesClass",
}

// builtInGroups are Kubernetes' own API groups that have a domain. Others under
// k8s.io (gateway.networking.k8s.io) are custom.
var builtInGroups = []string{
	"admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io",
	"authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io",
	"flowcontrol.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io", "resource.k8s.io",
	"scheduling.k8s.io", "storage.k8s.io",
}

// builtIn tells Kubernetes' own types, whose scope is known, from those that a
// definition adds.
func builtIn(typ string) bool {
	group := groupOf(typ)
	return !strings.Contains(group, ".") || slices.Contains(builtInGroups, group)
}

// kindOf is the kind of a Kubernetes type: apps/v1/Deployment -> Deployment.
func kindOf(typ string) string { return typ[strings.LastIndexByte(typ, '/')+1:] }

// groupOf is the API group of a Kubernetes type; empty for the core's.
func groupOf(typ string) string {
	if strings.Count(typ, "/") < 2 {
		return ""
	}
	return typ[:strings.IndexByte(typ, '/')]
}
