package server

// routes is every address of this server on one page.
func (s *Server) routes() {
	// What every request passes, in this order. logged answers what fails below it.
	s.app.Use(s.logged, s.headers, s.knownHost, s.guard, s.timed)

	s.app.Get("/healthz", s.healthz)
	s.app.Get("/readyz", s.readyz)
	s.docsRoutes(s.app) // /openapi.yaml, /docs, /trust

	v1 := s.app.Group("/v1")
	v1.Get("/operator", s.operator)
	s.accountRoutes(v1) // /accounts, /session, /tokens, /me
	s.caseRoutes(v1)    // /cases and its levels, steps, events
	s.handoffRoutes(v1) // /cases/…/handoffs, /handoffs
	s.captureRoutes(v1) // /capture
	s.uploadRoutes(v1)  // /uploads, /media
	s.liveRoutes(v1)    // …/live, …/progress

	s.pageRoutes(s.app) // /, /h, /assets/…
}
