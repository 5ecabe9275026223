// How long a runbook may be is up to the operator, and who meets the limit is told which setting it is.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_RUNBOOK_CHARACTERS: '700000', JETTY_RUNBOOK_LINES: '20' } })
})
afterAll(() => jetty?.close())

const head = '---\nversion: 1.0.0\nevaluation: programmatic\n---\n# Long\n'
const long = `${head}${'x'.repeat(600_000)}\n`
const tooLong = `${head}${'x'.repeat(700_000)}\n`
const tooManyLines = `${head}${'x\n'.repeat(20)}`

const validate = (content: string) => jetty.call('POST', '/api/v1/runbooks/validate', { content })
const preflight = async (content: string) => {
  const request = { content, collection: 'acme', agent: 'scripted' }
  const { body } = await jetty.call('POST', '/api/v1/runbooks/preflight', request)
  return body.checks.filter(({ name }: { name: string }) => name === 'runbook')
}

test('a longer one than usual is read where the settings say so', async () => {
  expect(await validate(long)).toMatchObject({ status: 200, body: { valid: true, errors: [] } })
  expect(await preflight(long)).not.toContainEqual(expect.objectContaining({ state: 'failed' }))
})

test.each([
  ['characters', tooLong, 'more than 700000 characters; JETTY_RUNBOOK_CHARACTERS sets the limit'],
  ['lines', tooManyLines, 'more than 20 lines; JETTY_RUNBOOK_LINES sets the limit'],
])('one with too many %s is refused with the setting', async (_, content, message) => {
  const said = expect.stringContaining(message)
  expect(await validate(content)).toMatchObject({
    status: 200,
    body: { valid: false, errors: [{ message: said, fix: expect.stringContaining('shorter') }] },
  })
  expect(await preflight(content)).toMatchObject([{ state: 'failed', found: said }])
})
