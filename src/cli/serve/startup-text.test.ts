import { stripVTControlCharacters } from 'node:util'
import { expect, it } from 'vitest'
import { loadSettings } from '../../lib/settings/config.ts'
import type { Server } from '../../server/start-server.ts'
import { startupText } from './startup-text.ts'

const textOf = async (more: object, env: Record<string, string> = {}) => {
  const server: Partial<Server> = { url: 'http://127.0.0.1:7070', dataDir: '/data', trialKeys: [] }
  return stripVTControlCharacters(
    await startupText({ settings: loadSettings(env), server: server as Server, seconds: 1, ...more }),
  )
}

it('says which sandbox there is, and how to get one where there is none', async () => {
  const found = 'bubblewrap 0.12.0; memory cgroup v2'
  expect(await textOf({ sandbox: { name: 'sandbox', state: 'ok', found } })).toMatch(
    /Sandbox +bubblewrap 0\.12\.0; memory/,
  )
  const none = { name: 'sandbox', state: 'warning', found: 'none, so runbooks are refused', remedy: 'Install it.' }
  expect(await textOf({ sandbox: none })).toMatch(/Sandbox +none, so runbooks are refused\n +→ Install it\.\n/)
  expect(await textOf({}, { JETTY_SANDBOX: 'podman' })).toMatch(/Sandbox +podman \(`jetty doctor` tries it\)/)
  const alone = { JETTY_ROLE: 'api', DATABASE_URL: 'postgres://localhost/x' }
  expect(await textOf({}, alone)).not.toContain('Sandbox')
})

it('says where the pages are, and how a browser signs in', async () => {
  const server = { url: 'http://127.0.0.1:7070', dataDir: '/data', trialKeys: [], hasPages: true }
  expect(await textOf({ server })).toMatch(/Pages +http:\/\/127\.0\.0\.1:7070 \(`jetty sign-in` prints a link/)
  const signInUrl = 'http://127.0.0.1:7070/sign-in#once=jso_x'
  const welcoming = { ...server, makeSignInUrl: async () => signInUrl }
  expect(await textOf({ server: welcoming })).toContain(`${signInUrl} (signs in once, for ten minutes)`)
  expect(await textOf({})).not.toContain('Pages')
})

it('says where the gateway is, which keys it lends, and where models are asked', async () => {
  const settings = loadSettings({ OPENAI_BASE_URL: 'http://me:unmistakable-password@localhost:11434/v1' })
  const server: Partial<Server> = { url: 'http://127.0.0.1:7070', dataDir: '/data', trialKeys: ['GEMINI_API_KEY'] }
  const text = stripVTControlCharacters(await startupText({ settings, server: server as Server, seconds: 1 }))
  expect(text).toMatch(/Gateway +http:\/\/127\.0\.0\.1:7070\/v1 for OpenAI clients, http:\/\/127\.0\.0\.1:7070 for/)
  expect(text).toMatch(/Models +OPENAI_BASE_URL at localhost:11434\n/)
  expect(text).toMatch(/Trials +lend GEMINI_API_KEY\n/)
  expect(text).not.toContain('unmistakable-password')
})
