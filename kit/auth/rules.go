package auth

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
)

// Rule is who may call one method. The zero value is internal: processes of the mesh only.
type Rule struct {
	// Open methods ask for nothing: health and reflection.
	Open bool
	// Public methods need a caller's key with one of Roles, or an administrator's.
	Public bool
	// Roles is empty where only administrators may call.
	Roles []accessv1.Role
}

// Allows reports whether a key of this role may call a public method.
func (r Rule) Allows(role accessv1.Role) bool {
	switch role {
	case accessv1.Role_ROLE_UNSPECIFIED:
		return false
	case accessv1.Role_ROLE_ADMIN:
		return true
	}
	return slices.Contains(r.Roles, role)
}

// Rules knows the rule of every method of the services it was given. It is filled before serving and only read
// afterwards. The zero value treats every method but health and reflection as internal.
type Rules struct {
	byMethod map[string]Rule
}

// NewRules reads the access option of every method of the services.
func NewRules(services ...protoreflect.ServiceDescriptor) *Rules {
	r := &Rules{byMethod: make(map[string]Rule)}
	for _, s := range services {
		r.Add(s)
	}
	return r
}

// Add reads one more service.
func (r *Rules) Add(s protoreflect.ServiceDescriptor) {
	if r.byMethod == nil {
		r.byMethod = make(map[string]Rule)
	}
	open := isOpen(string(s.FullName()))
	for i := range s.Methods().Len() {
		m := s.Methods().Get(i)
		rule := ruleOf(m)
		rule.Open = open
		r.byMethod["/"+string(s.FullName())+"/"+string(m.Name())] = rule
	}
}

// For returns the rule of a method, "/package.Service/Method"; a method it doesn't know is internal.
func (r *Rules) For(fullMethod string) Rule { return r.byMethod[fullMethod] }

// Methods returns every method with its rule.
func (r *Rules) Methods() map[string]Rule { return r.byMethod }

func ruleOf(m protoreflect.MethodDescriptor) Rule {
	options := m.Options()
	if options == nil || !proto.HasExtension(options, accessv1.E_Access) {
		return Rule{}
	}
	access, ok := proto.GetExtension(options, accessv1.E_Access).(*accessv1.Access)
	if !ok {
		return Rule{}
	}
	return Rule{Public: true, Roles: access.GetRoles()}
}

// isOpen names the services of gRPC itself that anyone who reaches the listener may call.
func isOpen(service string) bool {
	switch service {
	case "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection":
		return true
	}
	return false
}
