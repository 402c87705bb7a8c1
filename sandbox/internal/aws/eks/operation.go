package eks

import "strings"

// operations are EKS's, by method and path; a star is one name.
var operations = map[string]string{
	"GET /clusters":                                     "ListClusters",
	"POST /clusters":                                    "CreateCluster",
	"GET /clusters/*":                                   "DescribeCluster",
	"DELETE /clusters/*":                                "DeleteCluster",
	"POST /clusters/*/update-config":                    "UpdateClusterConfig",
	"POST /clusters/*/updates":                          "UpdateClusterVersion",
	"GET /clusters/*/updates":                           "ListUpdates",
	"GET /clusters/*/updates/*":                         "DescribeUpdate",
	"GET /cluster-versions":                             "DescribeClusterVersions",
	"GET /clusters/*/access-entries":                    "ListAccessEntries",
	"POST /clusters/*/access-entries":                   "CreateAccessEntry",
	"GET /clusters/*/access-entries/*":                  "DescribeAccessEntry",
	"DELETE /clusters/*/access-entries/*":               "DeleteAccessEntry",
	"GET /clusters/*/access-entries/*/access-policies":  "ListAssociatedAccessPolicies",
	"POST /clusters/*/access-entries/*/access-policies": "AssociateAccessPolicy",
	"GET /clusters/*/node-groups":                       "ListNodegroups",
	"POST /clusters/*/node-groups":                      "CreateNodegroup",
	"GET /clusters/*/node-groups/*":                     "DescribeNodegroup",
	"DELETE /clusters/*/node-groups/*":                  "DeleteNodegroup",
	"POST /clusters/*/node-groups/*/update-config":      "UpdateNodegroupConfig",
	"POST /clusters/*/node-groups/*/update-version":     "UpdateNodegroupVersion",
	"GET /clusters/*/addons":                            "ListAddons",
	"POST /clusters/*/addons":                           "CreateAddon",
	"GET /clusters/*/addons/*":                          "DescribeAddon",
	"DELETE /clusters/*/addons/*":                       "DeleteAddon",
	"POST /clusters/*/addons/*/update":                  "UpdateAddon",
	"GET /addons/supported-versions":                    "DescribeAddonVersions",
	"GET /clusters/*/pod-identity-associations":         "ListPodIdentityAssociations",
	"POST /clusters/*/pod-identity-associations":        "CreatePodIdentityAssociation",
	"GET /clusters/*/pod-identity-associations/*":       "DescribePodIdentityAssociation",
	"POST /clusters/*/pod-identity-associations/*":      "UpdatePodIdentityAssociation",
	"DELETE /clusters/*/pod-identity-associations/*":    "DeletePodIdentityAssociation",
}

// Operation is the name of the operation that a request asks for; for one that
// is not listed, method and path.
func Operation(method, path string) string {
	asked := strings.Split(strings.Trim(path, "/"), "/")
	for pattern, name := range operations {
		wants, where, _ := strings.Cut(pattern, " /")
		if wants == method && fits(strings.Split(where, "/"), asked) {
			return name
		}
	}
	return method + " " + path
}

// fits tells whether the path has the pattern's parts, with any name for a star.
func fits(pattern, path []string) bool {
	if len(pattern) != len(path) {
		return false
	}
	for i, part := range pattern {
		if part != "*" && part != path[i] {
			return false
		}
	}
	return true
}
