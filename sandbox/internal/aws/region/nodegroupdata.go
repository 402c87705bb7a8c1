package region

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/mail"
	"slices"
	"strings"
)

// The launch template that EKS makes for a managed group: the user's own, if
// there is one, with what EKS adds.

// nodegroupData is the content of EKS's own launch template.
func (s *State) nodegroupData(n *Nodegroup, c *Cluster) (json.RawMessage, error) {
	data, err := s.templateOf(n)
	if err != nil {
		return nil, err
	}
	if n.AmiType != "CUSTOM" {
		image, err := s.nodegroupImage(n)
		if err != nil {
			return nil, err
		}
		data.ImageID = image.ID
		if image.OS == Bottlerocket {
			data.UserData, err = mergedSettings(data.UserData, settings(n, c, image.ID))
		} else {
			data.UserData, err = mergedUserData(data.UserData, nodeConfig(n, c, image.ID))
		}
		if err != nil {
			return nil, err
		}
	}
	if len(n.InstanceTypes) > 0 {
		data.InstanceType = n.InstanceTypes[0]
	}
	data.IamInstanceProfile.Name = n.Profile
	if len(data.SecurityGroupIDs) == 0 && len(data.NetworkInterfaces) == 0 {
		data.SecurityGroupIDs = []string{c.ClusterSecurityGroupID}
	}
	return json.Marshal(data)
}

// NodegroupLabels are those that EKS gives to the nodes of a group, and the user's.
func NodegroupLabels(n *Nodegroup, image string) map[string]string {
	labels := maps.Clone(n.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels["eks.amazonaws.com/nodegroup"] = n.NodegroupName
	labels["eks.amazonaws.com/capacityType"] = n.CapacityType
	if image != "" {
		labels["eks.amazonaws.com/nodegroup-image"] = image
	}
	if t := n.LaunchTemplate; t != nil {
		labels["eks.amazonaws.com/sourceLaunchTemplateId"] = t.ID
		labels["eks.amazonaws.com/sourceLaunchTemplateVersion"] = t.Version
	}
	return labels
}

// nodeConfig is what EKS tells the nodes of a group that start from its own image.
func nodeConfig(n *Nodegroup, c *Cluster, image string) string {
	labels := NodegroupLabels(n, image)
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, key+"="+labels[key])
	}
	flags := "      - \"--node-labels=" + strings.Join(pairs, ",") + "\"\n"
	var taints []string
	for _, t := range n.Taints {
		taints = append(taints, fmt.Sprintf("%s=%s:%s", t.Key, t.Value, t.KubernetesEffect()))
	}
	if len(taints) > 0 {
		flags += "      - \"--register-with-taints=" + strings.Join(taints, ",") + "\"\n"
	}
	return fmt.Sprintf("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    name: %s\n"+
		"    apiServerEndpoint: %s\n    certificateAuthority: %s\n    cidr: %s\n  kubelet:\n    flags:\n%s", c.Name,
		c.Endpoint, c.CertificateAuthorityData, c.Kubernetes.ServiceIPv4Cidr, flags)
}

// settings is what EKS tells nodes of Bottlerocket, in TOML.
func settings(n *Nodegroup, c *Cluster, image string) string {
	text := fmt.Sprintf("[settings.kubernetes]\ncluster-name = %q\napi-server = %q\ncluster-certificate = %q\n[settings.kubernetes.node-labels]\n",
		c.Name, c.Endpoint, c.CertificateAuthorityData)
	labels := NodegroupLabels(n, image)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		text += fmt.Sprintf("%q = %q\n", key, labels[key])
	}
	byKey := map[string][]string{}
	for _, t := range n.Taints {
		byKey[t.Key] = append(byKey[t.Key], fmt.Sprintf("%q", t.Value+":"+t.KubernetesEffect()))
	}
	if len(byKey) > 0 {
		text += "[settings.kubernetes.node-taints]\n"
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		text += fmt.Sprintf("%q = [%s]\n", key, strings.Join(byKey[key], ", "))
	}
	return text
}

// mergedSettings puts EKS's settings before those of the user's launch template.
func mergedSettings(own, settings string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(own)
	if err != nil || strings.HasPrefix(string(raw), "MIME-Version") || strings.HasPrefix(string(raw), "#!") {
		return "", invalidParameter("Ec2LaunchTemplateInvalidConfiguration: User data was not in the TOML format.")
	}
	return base64.StdEncoding.EncodeToString([]byte(settings + string(raw))), nil
}

const configHead = "Content-Type: application/node.eks.aws\n\n"

// mergedUserData puts EKS's part before those of the user's launch template,
// which must be MIME multipart, as EKS asks for.
func mergedUserData(own, config string) (string, error) {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	if own == "" {
		return encode("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n\n--//\n" + configHead + config +
			"\n--//--\n"), nil
	}
	invalid := invalidParameter("Ec2LaunchTemplateInvalidConfiguration: User data was not in the MIME multipart format.")
	raw, err := base64.StdEncoding.DecodeString(own)
	if err != nil {
		return "", invalid
	}
	msg, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		return "", invalid
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	boundary := "--" + params["boundary"]
	head, rest, found := strings.Cut(string(raw), boundary+"\n")
	if err != nil || !strings.HasPrefix(kind, "multipart/") || !found {
		return "", invalid
	}
	return encode(head + boundary + "\n" + configHead + config + "\n" + boundary + "\n" + rest), nil
}
