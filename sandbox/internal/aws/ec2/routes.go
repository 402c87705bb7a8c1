package ec2

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) routeActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateRouteTable":             s.createTable,
		"DescribeRouteTables":          s.describeTables,
		"DeleteRouteTable":             s.deleteTable,
		"CreateRoute":                  s.createRoute,
		"ReplaceRoute":                 s.replaceRoute,
		"DeleteRoute":                  s.deleteRoute,
		"AssociateRouteTable":          s.associate,
		"ReplaceRouteTableAssociation": s.reassociate,
		"DisassociateRouteTable":       s.disassociate,
	}
}

type tableItem struct {
	ID           string            `xml:"routeTableId"`
	VPC          string            `xml:"vpcId"`
	Owner        string            `xml:"ownerId"`
	Routes       []routeItem       `xml:"routeSet>item"`
	Associations []associationItem `xml:"associationSet>item"`
	Propagating  []struct{}        `xml:"propagatingVgwSet>item"`
	Tags         []tag             `xml:"tagSet>item"`
}

type routeItem struct {
	Destination string `xml:"destinationCidrBlock"`
	Gateway     string `xml:"gatewayId,omitempty"`
	NAT         string `xml:"natGatewayId,omitempty"`
	State       string `xml:"state"`
	Origin      string `xml:"origin"`
}

type associationItem struct {
	ID     string `xml:"routeTableAssociationId"`
	Table  string `xml:"routeTableId"`
	Subnet string `xml:"subnetId,omitempty"`
	Main   bool   `xml:"main"`
	State  string `xml:"associationState>state"`
}

func showTable(st *region.State, v *region.RouteTable) tableItem {
	t := tableItem{ID: v.RouteTableID, VPC: v.VpcID, Owner: region.Account, Tags: tagSet(v.Tags)}
	for _, r := range st.RoutesOf(v.RouteTableID) {
		t.Routes = append(t.Routes, showRoute(st, r))
	}
	if v.Main {
		t.Associations = append(t.Associations, associationItem{v.MainAssoc, v.RouteTableID, "", true, "associated"})
	}
	for _, a := range region.Sorted(st.Associations) {
		if a.RouteTableID == v.RouteTableID {
			t.Associations = append(t.Associations, associationItem{a.ID, a.RouteTableID, a.SubnetID, false, "associated"})
		}
	}
	return t
}

func showRoute(st *region.State, r *region.Route) routeItem {
	item := routeItem{Destination: r.CidrBlock, Gateway: r.GatewayID, NAT: r.NatGatewayID, State: "active", Origin: "CreateRoute"}
	switch {
	case r.GatewayID == "local":
		item.Origin = "CreateRouteTable"
	case r.NatGatewayID != "" && st.NATs[r.NatGatewayID] == nil, r.GatewayID != "" && st.AttachmentOf(r.GatewayID) == nil:
		item.State = "blackhole"
	}
	return item
}

func (s *Service) createTable(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Table tableItem `xml:"routeTable"`
	}
	err := s.once(f, func(st *region.State) (string, error) {
		if _, err := found(st.VPCs, vpcIDs, f.Get("VpcId")); err != nil {
			return "", err
		}
		tags, err := specifiedTags(f, "route-table")
		if err != nil {
			return "", err
		}
		return st.CreateRouteTable(&region.RouteTable{VpcID: f.Get("VpcId"), Tags: tags})
	}, func(st *region.State, id string) {
		if v, ok := st.RouteTables[id]; ok {
			out.Table = showTable(st, v)
		}
	})
	return out, err
}

func (s *Service) describeTables(_ *http.Request, f wire.Form) (any, error) {
	type table = *region.RouteTable
	id := func(v table) string { return v.RouteTableID }
	routes := func(of func(routeItem) string) func(*region.State, table) []string {
		return func(st *region.State, v table) (values []string) {
			for _, r := range showTable(st, v).Routes {
				values = append(values, of(r))
			}
			return values
		}
	}
	associations := func(of func(associationItem) string) func(*region.State, table) []string {
		return func(st *region.State, v table) (values []string) {
			for _, a := range showTable(st, v).Associations {
				values = append(values, of(a))
			}
			return values
		}
	}
	items, next, err := list(s, f, listing[table, tableItem]{
		all:   func(st *region.State) []table { return region.Sorted(st.RouteTables) },
		names: []name[table]{{"RouteTableId", id, tableIDs.unknown}},
		filters: filters[table]{"route-table-id": one(id), "vpc-id": one(func(v table) string { return v.VpcID }),
			"owner-id":                               always[table](region.Account),
			"association.main":                       associations(func(a associationItem) string { return strconv.FormatBool(a.Main) }),
			"association.subnet-id":                  associations(func(a associationItem) string { return a.Subnet }),
			"association.route-table-id":             associations(func(a associationItem) string { return a.Table }),
			"route.destination-cidr-block":           routes(func(r routeItem) string { return r.Destination }),
			"route.gateway-id":                       routes(func(r routeItem) string { return r.Gateway }),
			"route.nat-gateway-id":                   routes(func(r routeItem) string { return r.NAT }),
			"route.origin":                           routes(func(r routeItem) string { return r.Origin }),
			"route.state":                            routes(func(r routeItem) string { return r.State }),
			"association.route-table-association-id": associations(func(a associationItem) string { return a.ID })},
		tags: func(v table) region.Tags { return v.Tags },
		show: showTable,
	})
	return struct {
		Tables []tableItem `xml:"routeTableSet>item"`
		Next   string      `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func (s *Service) deleteTable(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		v, err := found(st.RouteTables, tableIDs, f.Get("RouteTableId"))
		if err != nil {
			return err
		}
		return st.DeleteRouteTable(v)
	}))
}

// routeIn is the route of a request.
func routeIn(f wire.Form) *region.Route {
	return &region.Route{RouteTableID: f.Get("RouteTableId"), DestinationCidrBlock: f.Get("DestinationCidrBlock"),
		GatewayID: f.Get("GatewayId"), NatGatewayID: f.Get("NatGatewayId")}
}

func (s *Service) createRoute(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		if _, err := found(st.RouteTables, tableIDs, f.Get("RouteTableId")); err != nil {
			return err
		}
		_, err := st.CreateRoute(routeIn(f))
		return err
	}))
}

// routeOf finds the route that a request names.
func routeOf(st *region.State, f wire.Form) (*region.Route, error) {
	table, destination := f.Get("RouteTableId"), f.Get("DestinationCidrBlock")
	if _, err := found(st.RouteTables, tableIDs, table); err != nil {
		return nil, err
	}
	r, ok := st.Routes[table+"|"+destination]
	switch {
	case !ok:
		return nil, region.Errorf(region.NotFound, "InvalidRoute.NotFound",
			"no route with destination-cidr-block %s in route table %s", destination, table)
	case r.GatewayID == "local":
		return nil, region.Errorf(region.Invalid, "InvalidParameterValue", "cannot change or remove local route %s in route table %s",
			destination, table)
	}
	return r, nil
}

func (s *Service) replaceRoute(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		r, err := routeOf(st, f)
		if err != nil {
			return err
		}
		next := routeIn(f)
		if err := st.CheckRoute(next); err != nil {
			return err
		}
		r.GatewayID, r.NatGatewayID = next.GatewayID, next.NatGatewayID
		return nil
	}))
}

func (s *Service) deleteRoute(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		r, err := routeOf(st, f)
		if err != nil {
			return err
		}
		return st.DeleteRoute(r)
	}))
}

func (s *Service) associate(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		ID    string `xml:"associationId"`
		State string `xml:"associationState>state"`
	}
	out.State = "associated"
	err := s.change(f, func(st *region.State) error {
		if _, err := found(st.RouteTables, tableIDs, f.Get("RouteTableId")); err != nil {
			return err
		}
		if _, err := found(st.Subnets, subnetIDs, f.Get("SubnetId")); err != nil {
			return err
		}
		a := &region.Association{SubnetID: f.Get("SubnetId"), RouteTableID: f.Get("RouteTableId")}
		for _, o := range st.Associations {
			if o.SubnetID == a.SubnetID && o.RouteTableID == a.RouteTableID {
				out.ID = o.ID // asked for again
				return nil
			}
		}
		var err error
		out.ID, err = st.Associate(a)
		return err
	})
	return out, err
}

func (s *Service) reassociate(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		ID    string `xml:"newAssociationId"`
		State string `xml:"associationState>state"`
	}
	out.State = "associated"
	err := s.change(f, func(st *region.State) error {
		if _, err := found(st.Associations, assocIDs, f.Get("AssociationId")); err != nil {
			return err
		}
		if _, err := found(st.RouteTables, tableIDs, f.Get("RouteTableId")); err != nil {
			return err
		}
		var err error
		out.ID, err = st.Reassociate(f.Get("AssociationId"), f.Get("RouteTableId"))
		return err
	})
	return out, err
}

func (s *Service) disassociate(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		id := f.Get("AssociationId")
		if slices.ContainsFunc(region.Sorted(st.RouteTables), func(t *region.RouteTable) bool { return t.MainAssoc == id && id != "" }) {
			return region.Errorf(region.Invalid, "InvalidParameterValue", "cannot disassociate the main route table association %s", id)
		}
		a, err := found(st.Associations, assocIDs, id)
		if err != nil {
			return err
		}
		return st.Disassociate(a)
	}))
}
