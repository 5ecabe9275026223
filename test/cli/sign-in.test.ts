import { afterAll, beforeAll, expect, it } from 'vitest'
import { signIn } from '../browser-session.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let test: TestServer
let shell: Shell

beforeAll(async () => {
  test = await startTestServer()
  const key = await test.call('POST', '/api/v1/api-keys', { name: 'newcomer', collection_name: 'acme' })
  shell = openShell(test.url, key.body.api_key)
})
afterAll(async () => {
  shell?.close()
  await test?.close()
})

const codeIn = (text: string) => /#once=(jso_[\w-]+)/.exec(text)?.[1] ?? ''

it('prints a link that signs a browser in as the token of the command', async () => {
  const printed = await shell.jetty(['sign-in'])
  expect(printed.stdout).toMatch(
    new RegExp(`^${test.url}/sign-in#once=jso_[\\w-]{43}\\nGood once, for ten minutes\\.\\n$`),
  )
  expect((await signIn(test.url, { code: codeIn(printed.stdout) })).identity).toMatchObject({ name: 'newcomer' })

  const admin = shell.file('admin-token', test.server.adminToken)
  const { url } = (await shell.jetty(['sign-in', '--json', '--token-file', admin])).json()
  expect((await signIn(test.url, { code: codeIn(url) })).identity).toMatchObject({ auth_type: 'admin' })
})
