// The guides that test/guides leaves to a longer run: the same server and reader, more commands.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventStream, eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type GuideWorld, openGuideWorld, type Values } from '../guides/world.ts'

let world: GuideWorld
let openAi: FakeOpenAi

beforeAll(async () => {
  openAi = await startFakeOpenAi()
  openAi.choose((body) =>
    body?.stream ? { headers: eventStreamType, body: eventStream(body.model, 'A jetty. ') } : undefined,
  )
  world = await openGuideWorld({
    env: {
      ...{ OPENAI_BASE_URL: openAi.url, JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' },
      ...{ JETTY_TRIAL_KEYS: 'OPENAI_API_KEY', OPENAI_API_KEY: 'sk-lent-unmistakable-77aa' },
    },
  })
  mkdirSync(join(world.shell.home, '.claude')) // as if Claude Code had been used
})
afterAll(async () => {
  await world?.close()
  await openAi?.close()
})

const follow = (name: string, values?: Values) => world.follow(name, values)
const key = 'sk-typed-unmistakable-1c3e'

it('trial keys', async () => {
  const [used] = await follow('trial-keys')
  expect(used).toMatch(/remaining/)
})

it('providers', async () => {
  const typed: Values = [['jetty env set demo OPENAI_API_KEY', `echo ${key} | jetty env set demo OPENAI_API_KEY`]]
  const [asked] = await follow('providers', typed)
  expect(asked).toContain('A jetty.')
})

it('skills', async () => {
  const [installed] = await follow('skills')
  expect(installed).toMatch(/\.claude\/skills\/jetty: \d+ added/)
  expect(installed).toMatch(/\.agents\/skills\/jetty: \d+ added/)
})

it('signing in', async () => {
  const [link] = await follow('sign-in', [['jetty sign-in --open', 'jetty sign-in']])
  expect(link).toContain('/sign-in#once=')
})

it.each(['api-keys', 'collection-settings', 'examples', 'metrics', 'runbook-format', 'runbook-rules'])(
  '%s',
  async (name) => {
    await follow(name)
  },
)

it('a runbook, here and on the server', async () => {
  const [here, , remote, deployed] = await follow('runbooks')
  expect(here).toContain('# ')
  expect(remote).toContain('totals.csv')
  expect(deployed).toMatch(/completed/)
})

it('a runbook over chat completions, and why it ended as it did', async () => {
  const [stream] = await follow('gateway-runbooks')
  expect(stream).toMatch(/"finish_reason":"stop"[\s\S]*data: \[DONE\]$/)
  expect((await follow('runbook-failures')).join()).toContain('completed')
})

it('what a sandbox isolates', async () => {
  const [tour] = await follow('sandbox-isolation')
  expect(tour).toContain('there is no route to the outside')
})

it('the command line', async () => {
  writeFileSync(join(world.shell.home, '.env'), 'SOME_KEY=one-unmistakable-value\n')
  const printed = await follow('cli', [
    ['npm link', ': npm link'],
    ['jetty login --url https://jetty.example.com', 'jetty login --url $JETTY_API_URL < ~/.config/jetty/token'],
    ['< token.txt', '< ~/.config/jetty/token'],
    ['-f README.md', '-f examples/evaluation/greetings.jsonl'],
    ['jetty diff "$run" demo/hello', 'jetty diff "$run" demo/hello || true'],
    ['jetty env set demo OPENAI_API_KEY  ', `echo ${key} | jetty env set demo OPENAI_API_KEY  `],
    ['pass openai', `echo ${key}`],
    ['< .env', '< ~/.env'],
  ])
  expect(printed.join('\n')).toContain('Hello, moon!')
})

it('troubleshooting', async () => {
  const { status } = spawnSync('bwrap', ['--version'])
  const [checked] = await follow('troubleshooting', status === 0 ? [] : [['jetty doctor', 'jetty doctor || true']])
  expect(checked).toContain(world.server.url)
})
