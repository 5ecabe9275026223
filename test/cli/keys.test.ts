import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let test: TestServer
let shell: Shell
let token: string
let adminFile: string

beforeAll(async () => {
  test = await startTestServer()
  token = (await test.call('POST', '/api/v1/api-keys', { name: 'newcomer', collection_name: 'acme' })).body.api_key
  shell = openShell(test.url, token)
  adminFile = shell.file('admin-token', test.server.adminToken)
})

afterAll(async () => {
  shell?.close()
  await test?.close()
})

/** Runs a command that must succeed, with nothing on stderr that a script would have to read. */
const ok = async (...args: string[]) => {
  const ended = await shell.jetty(args)
  expect(ended).toMatchObject({ code: 0 })
  return ended
}

/** Runs a command that must be refused as wrong use, with nothing on stdout. */
const wrong = async (...args: string[]) => {
  const ended = await shell.jetty(args)
  expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code: 2, stdout: '' })
  return ended.stderr
}

describe('keys', () => {
  it('have a home collection, which is shown and can be set', async () => {
    await ok('collections', 'create', 'pier')
    expect((await ok('whoami')).stdout).toMatch(/home +acme\n/)
    const id = String((await ok('whoami', '--json')).json().key_id)
    expect((await ok('keys', 'home', id, 'pier')).stdout).toBe(`The home collection of key ${id} (newcomer) is pier\n`)
    expect((await ok('keys', 'ls', 'pier')).stdout).toMatch(/HOME.*\n.*newcomer .* WRITE +pier +acme pier /)
    expect(await wrong('keys', 'home', id, 'nowhere')).toContain("does not cover the collection 'nowhere'")
    expect(await wrong('keys', 'home', token, 'acme')).not.toContain(token)
    await ok('keys', 'home', id, 'acme')
  })

  it('are printed alone and once, listed, switched off and deleted', async () => {
    const made = await ok('keys', 'create', 'acme', '--name', 'ci', '--read-only', '--expires', '30d')
    expect(made.stdout).toMatch(/^mlc_[a-z0-9]{32}\n$/)
    expect(made.stderr).toContain('only this once')
    const key = made.stdout.trim()
    const listed = (await ok('keys', 'ls', 'acme', '--json')).json()
    const { id } = listed.find(({ name }: { name: string }) => name === 'ci')
    expect(listed[0]).toMatchObject({ name: 'ci', access_level: 'READ' })
    const days = (Date.parse(listed[0].expires_at) - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(29.9)
    expect(JSON.stringify(listed)).not.toContain(key)
    const asCi = { env: { JETTY_API_TOKEN: key } }
    expect((await shell.jetty(['tasks', 'ls', 'acme'], asCi)).code).toBe(0)
    expect((await ok('keys', 'revoke', String(id), '--keep')).stdout).toBe(`Disabled key ${id} (ci)\n`)
    const refused = await shell.jetty(['tasks', 'ls', 'acme'], asCi)
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toContain('jetty login')
    expect((await ok('keys', 'ls', 'acme')).stdout).toMatch(/ci .* off /)
    expect((await ok('keys', 'revoke', String(id))).stdout).toBe(`Deleted key ${id} (ci)\n`)
    expect(await wrong('keys', 'revoke', String(id))).toContain('API key not found')
  })

  it('show who made them, and end with their maker where that is asked for', async () => {
    const made = (await ok('keys', 'create', 'acme', '--name', 'maker', '--json')).json()
    const asMaker = { env: { JETTY_API_TOKEN: made.api_key } }
    const below = (await shell.jetty(['keys', 'create', 'acme', '--name', 'made', '--json'], asMaker)).json()
    expect((await ok('keys', 'ls', 'acme')).stdout).toMatch(
      new RegExp(`CREATED BY\\n.*made .*api-key:maker \\(key ${made.id}\\)\\n`),
    )
    const other = (await shell.jetty(['keys', 'create', 'acme', '--name', 'other', '--json'], asMaker)).json()
    const ended = await ok('keys', 'revoke', String(other.id), String(made.id), '--below')
    expect(ended.stdout).toContain(`Deleted key ${made.id} (maker), and the keys created with it: ${below.id}\n`)
    const maker = (await ok('keys', 'create', 'acme', '--name', 'maker', '--json')).json()
    const asNew = { env: { JETTY_API_TOKEN: maker.api_key } }
    const left = (await shell.jetty(['keys', 'create', 'acme', '--name', 'left', '--json'], asNew)).json()
    expect((await ok('keys', 'revoke', String(maker.id))).stderr).toContain(`jetty keys revoke ${left.id} --below`)
    await ok('keys', 'revoke', String(left.id))
  })

  it('need a name, an end that is to come, and an id to be revoked', async () => {
    expect(await wrong('keys', 'create', 'acme')).toContain('--name')
    expect(await wrong('keys', 'create', 'acme', '--name', 'x', '--expires', 'soon')).toContain('Expected a time span')
    expect(await wrong('keys', 'create', 'acme', '--name', 'x', '--expires', '2999-02-30')).toContain(
      'Expected a time span',
    )
    expect(await wrong('keys', 'create', 'acme', '--name', 'x', '--expires', '2020-01-01')).toContain('already passed')
    expect(await wrong('keys', 'revoke', token)).not.toContain(token)
  })

  it('rotate-secret changes the encryption key, and says what is next', async () => {
    expect(await wrong('keys', 'rotate-secret')).toContain('Admin access required')
    const ended = await shell.jetty(['keys', 'rotate-secret', '--token-file', adminFile])
    // This server shares its database for all it knows, so that nobody could tell the others of a new key.
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toContain('JETTY_SECRET_KEY')
  })
})
