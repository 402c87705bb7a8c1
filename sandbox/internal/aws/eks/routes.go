package eks

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// call is one request, and what its path says in the places of its route's stars.
type call struct {
	*http.Request
	vars []string
}

// route is an operation and where it is: GET clusters/*/access-entries/*.
type route struct {
	operation string
	method    string
	path      string
	serve     func(call) (any, error)
}

// routes lists what is implemented.
func (s *Service) routes() []route {
	const cluster, entries, groups = "clusters/*", "clusters/*/access-entries", "clusters/*/node-groups"
	return []route{
		{"CreateCluster", http.MethodPost, "clusters", s.createCluster},
		{"ListClusters", http.MethodGet, "clusters", s.listClusters},
		{"DescribeCluster", http.MethodGet, cluster, s.describeCluster},
		{"DeleteCluster", http.MethodDelete, cluster, s.deleteCluster},
		{"UpdateClusterConfig", http.MethodPost, cluster + "/update-config", s.updateClusterConfig},
		{"UpdateClusterVersion", http.MethodPost, cluster + "/updates", s.updateClusterVersion},
		{"ListUpdates", http.MethodGet, cluster + "/updates", s.listUpdates},
		{"DescribeUpdate", http.MethodGet, cluster + "/updates/*", s.describeUpdate},
		{"DescribeClusterVersions", http.MethodGet, "cluster-versions", func(c call) (any, error) { return s.versions(c.Request) }},
		{"CreateNodegroup", http.MethodPost, groups, s.createNodegroup},
		{"ListNodegroups", http.MethodGet, groups, s.listNodegroups},
		{"DescribeNodegroup", http.MethodGet, groups + "/*", s.describeNodegroup},
		{"UpdateNodegroupConfig", http.MethodPost, groups + "/*/update-config", s.updateConfig},
		{"UpdateNodegroupVersion", http.MethodPost, groups + "/*/update-version", s.updateVersion},
		{"DeleteNodegroup", http.MethodDelete, groups + "/*", s.deleteNodegroup},
		{"CreateAccessEntry", http.MethodPost, entries, s.createEntry},
		{"ListAccessEntries", http.MethodGet, entries, s.listEntries},
		{"DescribeAccessEntry", http.MethodGet, entries + "/*", s.describeEntry},
		{"UpdateAccessEntry", http.MethodPost, entries + "/*", s.updateEntry},
		{"DeleteAccessEntry", http.MethodDelete, entries + "/*", s.deleteEntry},
		{"ListAccessPolicies", http.MethodGet, "access-policies", s.allPolicies},
		{"AssociateAccessPolicy", http.MethodPost, entries + "/*/access-policies", s.associatePolicy},
		{"ListAssociatedAccessPolicies", http.MethodGet, entries + "/*/access-policies", s.listPolicies},
		{"DisassociateAccessPolicy", http.MethodDelete, entries + "/*/access-policies/*", s.disassociatePolicy},
		{"DescribeAddonVersions", http.MethodGet, "addons/supported-versions", s.addonVersions},
		{"CreateAddon", http.MethodPost, cluster + "/addons", s.createAddon},
		{"ListAddons", http.MethodGet, cluster + "/addons", s.listAddons},
		{"DescribeAddon", http.MethodGet, cluster + "/addons/*", s.describeAddon},
		{"UpdateAddon", http.MethodPost, cluster + "/addons/*/update", s.updateAddon},
		{"DeleteAddon", http.MethodDelete, cluster + "/addons/*", s.deleteAddon},
		{"CreatePodIdentityAssociation", http.MethodPost, cluster + "/pod-identity-associations", s.createIdentity},
		{"ListPodIdentityAssociations", http.MethodGet, cluster + "/pod-identity-associations", s.listIdentities},
		{"DescribePodIdentityAssociation", http.MethodGet, cluster + "/pod-identity-associations/*", s.describeIdentity},
		{"UpdatePodIdentityAssociation", http.MethodPost, cluster + "/pod-identity-associations/*", s.updateIdentity},
		{"DeletePodIdentityAssociation", http.MethodDelete, cluster + "/pod-identity-associations/*", s.deleteIdentity},
		{"ListFargateProfiles", http.MethodGet, cluster + "/fargate-profiles", s.empty("fargateProfileNames")},
		{"ListIdentityProviderConfigs", http.MethodGet, cluster + "/identity-provider-configs", s.empty("identityProviderConfigs")},
		{"ListTagsForResource", http.MethodGet, "tags/*", s.listTags},
		{"TagResource", http.MethodPost, "tags/*", s.tag},
		{"UntagResource", http.MethodDelete, "tags/*", s.untag},
	}
}

// Operations names what is implemented.
func (s *Service) Operations() []string {
	var names []string
	for _, r := range s.routes() {
		names = append(names, r.operation)
	}
	return names
}

// Operation names the operation that a request asks for; of one that is not
// implemented, method and path.
func (s *Service) Operation(r *http.Request) string {
	if one, _, err := s.find(r); err == nil {
		return one.operation
	}
	return r.Method + " " + r.URL.EscapedPath()
}

// Serve answers one REST request.
func (s *Service) Serve(r *http.Request) (any, error) {
	one, vars, err := s.find(r)
	if err != nil {
		return nil, err
	}
	return one.serve(call{r, vars})
}

// find is the route that a request takes, and what the stars in its path stand for.
func (s *Service) find(r *http.Request) (route, []string, error) {
	var path []string
	for part := range strings.SplitSeq(strings.Trim(r.URL.EscapedPath(), "/"), "/") {
		text, err := url.PathUnescape(part)
		if err != nil {
			return route{}, nil, region.Errorf(region.Invalid, "BadRequestException", "%s", err)
		}
		path = append(path, text)
	}
	for _, one := range s.routes() {
		if vars, ok := match(one.path, path); ok && r.Method == one.method {
			return one, vars, nil
		}
	}
	return route{}, nil, wire.UnknownAction(wire.REST, r.Method+" /"+strings.Join(path, "/"))
}

// match compares a path with that of a route, and finds what its stars stand for.
func match(pattern string, path []string) (vars []string, ok bool) {
	want := strings.Split(pattern, "/")
	if len(want) != len(path) {
		return nil, false
	}
	for k, w := range want {
		switch {
		case w == "*":
			vars = append(vars, path[k])
		case w != path[k]:
			return nil, false
		}
	}
	return vars, true
}
