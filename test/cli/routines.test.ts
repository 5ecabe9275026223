import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let test: TestServer
let shell: Shell
beforeAll(async () => {
  test = await startTestServer({ clock: () => Date.parse('2026-11-27T09:45:30Z') }) // when none of them is due
  const key = await test.call('POST', '/api/v1/api-keys', { name: 'newcomer', collection_name: 'acme' })
  shell = openShell(test.url, key.body.api_key)
  const workflow = {
    init_params: { text: 'hello', options: { language: 'en' } },
    step_configs: { echo: { activity: 'text_echo', text_path: 'init_params.text' } },
    steps: ['echo'],
  }
  await test.call('POST', '/api/v1/tasks/acme', { name: 'report', workflow })
})
afterAll(async () => {
  shell?.close()
  await test?.close()
})

const ok = async (args: string[], env?: Record<string, string>) => {
  const ended = await shell.jetty(args, env && { env })
  expect(ended).toMatchObject({ code: 0 })
  return ended
}
const wrong = async (...args: string[]) => {
  const ended = await shell.jetty(args)
  expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code: 2, stdout: '' })
  return ended.stderr
}
const json = async (...args: string[]) => (await ok([...args, '--json'])).json()

describe('jetty routines', () => {
  it.each([
    [['--manual'], { type: 'manual' }],
    [['--hourly'], { type: 'hourly' }],
    [['--hourly', '15'], { type: 'hourly', minute_utc: 15 }],
    [['--daily', '9'], { type: 'daily', hour_utc: 9, minute_utc: 0 }],
    [['--weekdays', '09:30'], { type: 'weekdays', hour_utc: 9, minute_utc: 30 }],
    [['--weekly', 'mon', '07:05'], { type: 'weekly', day_of_week: 'mon', hour_utc: 7, minute_utc: 5 }],
    [['--weekly', 'Friday 23:00'], { type: 'weekly', day_of_week: 'fri', hour_utc: 23, minute_utc: 0 }],
    [['--cron', '*/10 * * * *'], { type: 'cron', expression: '*/10 * * * *' }],
    [
      ['--cron', '0 9 * * *', '--time-zone', 'Europe/Berlin'],
      { type: 'cron', expression: '0 9 * * *', time_zone: 'Europe/Berlin' },
    ],
  ])('create with %j', async (options, cadence) => {
    const name = `r${JSON.stringify(options).replace(/\W+/g, '-')}`.slice(0, 60)
    expect(await json('routines', 'create', `acme/report/${name}x`, ...options)).toMatchObject({ cadence })
  })

  it('refuses what it cannot mean, and says how it is done', async () => {
    const create = (...options: string[]) => wrong('routines', 'create', 'acme/report/wrong', ...options)
    expect(await create()).toContain('Add one of --hourly, --daily, --weekdays')
    expect(await create('--hourly', '--manual')).toContain('a routine has one')
    expect(await create('--daily', '25:00')).toContain('such as 09:30')
    expect(await create('--hourly', '60')).toContain('a minute from 0 to 59')
    expect(await create('--weekly', 'monday')).toContain('--weekly mon 09:00')
    expect(await create('--daily', '9', '--time-zone', 'Europe/Berlin')).toContain('--time-zone needs --cron')
    expect(await create('--manual', '--overlap', 'que')).toContain('queue')
    expect(await create('--manual', '--secret', 'NOT_THERE')).toContain('the environment variable NOT_THERE is not set')
    expect(await create('--manual', '-p', 'nothing=1')).toContain('Unknown init_params_overrides keys: nothing')
    expect(await wrong('routines', 'get', 'acme/report')).toContain('Expected <collection>/<task>/<name>')
  })

  it('its life: create, look, change, pause, resume, run, list its runs, delete', async () => {
    const at = 'acme/report/morning'
    const secrets = { HOOK_SECRET: 'whsec-cli-unmistakable-1', SLACK_TOKEN: 'xoxb-cli-unmistakable-1' }
    const made = await ok(
      [
        ...['routines', 'create', at, '--daily', '09:00', '-p', 'text=good morning', '--secret', 'SLACK_TOKEN'],
        ...['--webhook', 'https://example.com/hook', '--webhook-secret-env', 'HOOK_SECRET', '--overlap', 'queue'],
      ],
      secrets,
    )
    expect(made.stdout).toContain('daily 09:00 UTC')
    expect(await json('routines', 'get', at)).toMatchObject({
      init_params_overrides: { text: 'good morning' },
      secret_param_keys: ['SLACK_TOKEN'],
      webhook_url: 'https://example.com/hook',
      has_webhook_secret: true,
      overlap: 'queue',
      catch_up: 'none',
    })
    const changed = await json('routines', 'update', at, '--weekly', 'tue', '8', '--catch-up', 'last', '--no-webhook')
    expect(changed).toMatchObject({
      cadence: { type: 'weekly', day_of_week: 'tue', hour_utc: 8, minute_utc: 0 },
      init_params_overrides: { text: 'good morning' },
      secret_param_keys: ['SLACK_TOKEN'],
      webhook_url: null,
      has_webhook_secret: false,
      overlap: 'queue',
      catch_up: 'last',
    })
    expect((await ok(['routines', 'pause', at])).stdout).toMatch(/next +paused/)
    expect((await ok(['routines', 'ls', 'acme'])).stdout).toMatch(
      /acme\/report\/morning +weekly, tue 08:00 UTC +paused/,
    )
    expect(await json('routines', 'resume', at)).toMatchObject({ ok: true, paused: false })
    expect((await ok(['routines', 'runs', at])).stderr).toContain('has not run yet')
    const run = await ok(['routines', 'run', at, '--wait'])
    expect(JSON.parse(run.stdout)).toEqual({ text: 'good morning' })
    const [listed] = await json('routines', 'runs', at)
    expect(listed).toMatchObject({ status: 'completed', init_params: { text: 'good morning' } })
    expect((await ok(['routines', 'runs', at])).stdout).toContain(listed.trajectory_id)
    expect(await json('routines', 'update', at, '--no-params', '--no-secrets')).toMatchObject({
      init_params_overrides: {},
      secret_param_keys: [],
    })
    expect(await wrong('routines', 'rm', at)).toContain('Confirm with --yes')
    expect((await ok(['routines', 'rm', at, '--yes'])).stdout).toBe(`Deleted ${at}\n`)
    expect(await wrong('routines', 'get', at)).toContain("Routine 'morning' of task 'report' not found")
    expect((await ok(['routines', 'ls', 'acme/report'])).stdout).not.toContain('morning')
  })
})
