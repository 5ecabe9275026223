/**
 * Test files that take longest: browsers, killed servers, guides, runbooks. CI runs them last, and leaves them out where
 * the machine was too slow for the others; `npm test` of a person always runs them.
 */
export const longTests = [
  'test/e2e/**/*.test.ts',
  'test/guides/guides.test.ts',
  'test/clients/python.test.ts',
  'test/crash/*.fast.test.ts',
  'test/compat/runbooks.test.ts',
  'test/runbooks/published.test.ts',
  'test/cli/{newcomer,runbook-local,runbook-remote}.test.ts',
  'test/integration/runbooks/runbook-lies.test.ts',
  'test/integration/runs/any-request.test.ts',
  'test/integration/server/in-flight-bytes.test.ts',
  'src/activities/shaping/shape.slow.test.ts',
]
