package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
)

// staffMemberView is somebody who works here, as an admin sees them.
type staffMemberView struct {
	ID           string     `json:"id"`
	Email        string     `json:"email"`
	Roles        []string   `json:"roles"`
	CreatedAt    time.Time  `json:"created_at"`
	DisabledAt   *time.Time `json:"disabled_at"`
	SecondFactor []string   `json:"second_factor"`
}

func viewOfMember(m cases.StaffMember) staffMemberView {
	return staffMemberView{m.ID, m.Email, list(m.Roles), m.CreatedAt.UTC(), when(m.DisabledAt), list(m.Methods)}
}

func (s *Server) listStaff(c *fiber.Ctx) error {
	if _, err := s.staff(c, cases.Admin); err != nil {
		return err
	}
	page, next, err := s.cfg.Cases.Staff(c.UserContext(), strings.Clone(c.Query("after")), 200)
	if err != nil {
		return err
	}
	out := struct {
		Staff []staffMemberView `json:"staff"`
		Next  *string           `json:"next"`
	}{Staff: []staffMemberView{}}
	for _, m := range page {
		out.Staff = append(out.Staff, viewOfMember(m))
	}
	if next != "" {
		out.Next = &next
	}
	return c.JSON(out)
}

func (s *Server) createStaff(c *fiber.Ctx) error {
	var in struct {
		Email    string   `json:"email"`
		Password string   `json:"password"`
		Roles    []string `json:"roles"`
	}
	by, err := s.staff(c, cases.Admin)
	if err != nil {
		return err
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	return s.once(c, by.account.ID, body, func() (result, error) {
		ctx := c.UserContext()
		if err := (credentialsInput{in.Email, in.Password}).check(); err != nil {
			return result{}, err
		}
		if len(in.Roles) == 0 || len(in.Roles) > 3 {
			return result{}, fault.Fields(fault.Field{Field: "roles", Code: "required", Detail: "Name one to three roles."})
		}
		a, err := s.cfg.Cases.SignUp(ctx, in.Email, in.Password, in.Roles...)
		if err != nil {
			return result{}, err
		}
		m, err := s.cfg.Cases.StaffMember(ctx, a.ID)
		if err != nil {
			return result{}, err
		}
		return result{status: http.StatusCreated, body: viewOfMember(m), secret: true}, nil
	})
}

func (s *Server) changeStaff(c *fiber.Ctx) error {
	by, err := s.staff(c, cases.Admin)
	if err != nil {
		return err
	}
	var in struct {
		Roles    []string `json:"roles"`
		Disabled *bool    `json:"disabled"`
	}
	if _, err := decode(c, &in); err != nil {
		return err
	}
	if len(in.Roles) > 3 {
		return fault.Fields(fault.Field{Field: "roles", Code: "required", Detail: "Name one to three roles."})
	}
	m, err := s.cfg.Cases.ChangeStaff(c.UserContext(), by.account.ID, param(c, "id"), cases.StaffChange{Roles: in.Roles, Disabled: in.Disabled})
	if err != nil {
		return err
	}
	s.cfg.Hub.Changed(c.UserContext(), reviewRoom) // sockets of who was disabled look again
	return c.JSON(viewOfMember(m))
}

func (s *Server) forgetFactors(c *fiber.Ctx) error {
	by, err := s.staff(c, cases.Admin)
	if err != nil {
		return err
	}
	if _, err := s.cfg.Cases.ChangeStaff(c.UserContext(), by.account.ID, param(c, "id"), cases.StaffChange{ForgetFactor: true}); err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}
