// Package eks is the EKS API, as far as reading goes: clusters and access
// entries are made and deleted through Cloud Control. cluster.go brings a new
// cluster up and takes a deleted one down; token.go tells the API server who
// stands behind a token.
package eks

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Service answers EKS requests.
type Service struct {
	store *region.Store
}

// New makes the service.
func New(store *region.Store) *Service { return &Service{store: store} }

// Serve answers one REST request: GET /clusters/NAME/access-entries/ARN.
func (s *Service) Serve(r *http.Request) (any, error) {
	var path []string
	for part := range strings.SplitSeq(strings.Trim(r.URL.EscapedPath(), "/"), "/") {
		text, err := url.PathUnescape(part)
		if err != nil {
			return nil, region.Errorf(region.Invalid, "BadRequestException", "%s", err)
		}
		path = append(path, text)
	}
	name := r.Method + " /" + strings.Join(path, "/")
	if r.Method != http.MethodGet {
		return nil, wire.UnknownAction(wire.REST, name)
	}
	switch {
	case len(path) == 1 && path[0] == "clusters":
		return s.listClusters(r)
	case len(path) == 1 && path[0] == "cluster-versions":
		return s.versions(r)
	case len(path) == 2 && path[0] == "clusters":
		return s.describeCluster(path[1])
	case len(path) == 3 && path[0] == "clusters" && path[2] == "access-entries":
		return s.listEntries(path[1], r)
	case len(path) == 4 && path[0] == "clusters" && path[2] == "access-entries":
		return s.describeEntry(path[1], path[3])
	case len(path) == 5 && path[0] == "clusters" && path[2] == "access-entries" && path[4] == "access-policies":
		return s.listPolicies(path[1], path[3])
	}
	return nil, wire.UnknownAction(wire.REST, name)
}

// object is a JSON object.
type object = map[string]any

// pages are those of every list of this API.
var pages = wire.Paging{Least: 1, Most: 100, Default: 100, BadSize: "InvalidParameterException", BadToken: "InvalidParameterException"}

func page[T any](r *http.Request, list []T) ([]T, string, error) {
	query := r.URL.Query()
	return wire.Page(pages, list, query.Get("nextToken"), query.Get("maxResults"))
}

func (s *Service) listClusters(r *http.Request) (any, error) {
	names := []string{}
	s.store.View(func(st *region.State) {
		for _, c := range region.Sorted(st.Clusters) {
			names = append(names, c.Name)
		}
	})
	names, next, err := page(r, names)
	return listing("clusters", names, next), err
}

func listing(key string, list any, next string) object {
	o := object{key: list}
	if next != "" {
		o["nextToken"] = next
	}
	return o
}

// Minor versions and the ends of their standard and extended support.
var supported = []struct{ version, standard, extended, status string }{
	{"1.36", "2027-08-02", "2028-08-02", "STANDARD_SUPPORT"},
	{"1.35", "2027-03-27", "2028-03-27", "STANDARD_SUPPORT"},
	{"1.34", "2026-12-02", "2027-12-02", "STANDARD_SUPPORT"},
	{"1.33", "2026-07-29", "2027-07-29", "EXTENDED_SUPPORT"},
}

// versions lists what nodes may run; the control plane is always the default.
func (s *Service) versions(r *http.Request) (any, error) {
	list := []object{}
	for _, v := range supported {
		standard, _ := time.Parse(time.DateOnly, v.standard)
		extended, _ := time.Parse(time.DateOnly, v.extended)
		list = append(list, object{"clusterVersion": v.version, "clusterType": "eks",
			"defaultVersion": v.version == region.KubernetesVersion,
			"status":         v.status, "versionStatus": v.status, "endOfStandardSupportDate": standard.Unix(),
			"endOfExtendedSupportDate": extended.Unix(),
			"defaultPlatformVersion":   "eks.1"})
	}
	wanted := r.URL.Query()["clusterVersions"]
	if len(wanted) > 0 {
		kept := []object{}
		for _, v := range list {
			for _, w := range wanted {
				if v["clusterVersion"] == w {
					kept = append(kept, v)
				}
			}
		}
		list = kept
	}
	list, next, err := page(r, list)
	return listing("clusterVersions", list, next), err
}

func (s *Service) describeCluster(name string) (any, error) {
	var out any
	var err error
	s.store.View(func(st *region.State) {
		c, missing := st.Cluster(name)
		if missing != nil {
			err = missing
			return
		}
		out = object{"cluster": showCluster(c)}
	})
	return out, err
}

func showCluster(c *region.Cluster) object {
	logging := object{"types": []string{}, "enabled": false}
	if c.Logging != nil {
		kinds := []string{}
		for _, t := range c.Logging.ClusterLogging.EnabledTypes {
			kinds = append(kinds, t.Type)
		}
		logging = object{"types": kinds, "enabled": true}
	}
	o := object{"name": c.Name, "arn": c.Arn, "createdAt": c.Created.Unix(), "version": c.Version, "roleArn": c.RoleArn,
		"status":          c.Status,
		"platformVersion": "eks.1", "health": object{"issues": []any{}}, "tags": tagMap(c.Tags),
		"deletionProtection": c.DeletionProtection,
		"logging":            object{"clusterLogging": []any{logging}},
		"identity":           object{"oidc": object{"issuer": c.OpenIDConnectIssuerURL}},
		"accessConfig":       object{"authenticationMode": c.Access.AuthenticationMode},
		"kubernetesNetworkConfig": object{"serviceIpv4Cidr": c.Kubernetes.ServiceIPv4Cidr,
			"ipFamily": c.Kubernetes.IPFamily},
		"resourcesVpcConfig": object{"vpcId": c.VpcID, "subnetIds": c.Network.SubnetIDs,
			"securityGroupIds":       c.Network.SecurityGroupIDs,
			"clusterSecurityGroupId": c.ClusterSecurityGroupID, "endpointPublicAccess": c.Network.PublicAccess,
			"endpointPrivateAccess": c.Network.PrivateAccess, "publicAccessCidrs": c.Network.PublicCIDRs},
	}
	if c.Endpoint != "" {
		o["endpoint"] = c.Endpoint
		o["certificateAuthority"] = object{"data": c.CertificateAuthorityData}
	}
	return o
}

func tagMap(tags region.Tags) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

func (s *Service) listEntries(cluster string, r *http.Request) (any, error) {
	arns := []string{}
	var err error
	s.store.View(func(st *region.State) {
		if _, err = st.Cluster(cluster); err != nil {
			return
		}
		for _, e := range region.Sorted(st.AccessEntries) {
			if e.ClusterName == cluster {
				arns = append(arns, e.PrincipalArn)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	arns, next, err := page(r, arns)
	return listing("accessEntries", arns, next), err
}

func (s *Service) entry(cluster, arn string, show func(*region.AccessEntry) any) (out any, err error) {
	s.store.View(func(st *region.State) {
		e, ok := st.AccessEntries[arn+"|"+cluster]
		if !ok {
			err = region.Errorf(region.NotFound, "ResourceNotFoundException",
				"The specified principalArn could not be found. You can view your "+
					"available access entries with 'list-access-entries'.")
			return
		}
		out = show(e)
	})
	return out, err
}

func (s *Service) describeEntry(cluster, arn string) (any, error) {
	return s.entry(cluster, arn, func(e *region.AccessEntry) any {
		return object{"accessEntry": object{"clusterName": e.ClusterName, "principalArn": e.PrincipalArn,
			"kubernetesGroups": e.KubernetesGroups,
			"accessEntryArn":   e.AccessEntryArn, "createdAt": e.Created.Unix(), "modifiedAt": e.Created.Unix(),
			"tags":     tagMap(e.Tags),
			"username": e.Username, "type": e.Type}}
	})
}

func (s *Service) listPolicies(cluster, arn string) (any, error) {
	return s.entry(cluster, arn, func(e *region.AccessEntry) any {
		list := []object{}
		for _, p := range e.AccessPolicies {
			list = append(list, object{"policyArn": p.PolicyArn, "accessScope": object{"type": p.AccessScope.Type,
				"namespaces": p.AccessScope.Namespaces}, "associatedAt": e.Created.Unix(),
				"modifiedAt": e.Created.Unix()})
		}
		return object{"clusterName": cluster, "principalArn": arn, "associatedAccessPolicies": list}
	})
}
