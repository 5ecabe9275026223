// The requests of the SDK and of the MCP server (contract 7.2 and 7.3), as far as they need no model.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import type { Body } from '../server.ts'
import { type Client, type CompatServer, echoing, startCompatServer } from './client.ts'
import { test } from './promise.ts'

let server: CompatServer
let client: Client
beforeAll(async () => {
  server = await startCompatServer()
  client = server.client
  await client.json('POST', '/api/v1/tasks/acme', { name: 't', description: '', workflow: echoing })
})
afterAll(() => server?.close())

const get = (path: string) => client.send('GET', `/api/v1${path}`)
const isJson = (answer: { type: string }) => expect(answer.type).toBe('application/json')

describe('the SDK', () => {
  test('listCollections, getCollection, getCollectionEnvironment, setEnvironmentVars', async () => {
    expect((await get('/collections/')).body).toEqual([expect.objectContaining({ name: 'acme' })])
    expect((await get('/collections/acme')).body.name).toBe('acme')
    const set = await client.json('PATCH', '/api/v1/collections/acme/environment', {
      environment_variables: { OPENAI_API_KEY: 'sk-1234567', SLACK_TOKEN: 'xoxb-123' },
    })
    expect(set.status).toBe(200)
    const masked = { OPENAI_API_KEY: '***', SLACK_TOKEN: '***' }
    expect((await get('/collections/acme/environment')).body).toEqual({ ...masked, environment_variables: masked })
    await client.json('PATCH', '/api/v1/collections/acme/environment', {
      environment_variables: { MORE: 'x', SLACK_TOKEN: null },
    })
    expect(Object.keys((await get('/collections/acme/environment')).body.environment_variables)).toEqual([
      'OPENAI_API_KEY',
      'MORE',
    ])
  })

  test('listTasks, getTask, createTask, updateTask, deleteTask; what is missing is a 404', async () => {
    const missing = await get('/tasks/acme/deployed')
    expect([missing.status, missing.body]).toEqual([404, { detail: "Task 'deployed' in collection 'acme' not found" }])
    const put = await client.json('PUT', '/api/v1/tasks/acme/deployed', { workflow: echoing })
    expect(put.status).toBe(404)
    const made = await client.json('POST', '/api/v1/tasks/acme', {
      name: 'deployed',
      description: '',
      workflow: echoing,
    })
    expect(made.status).toBe(201)
    const flags = { has_file_uploads: true, is_private: true, is_chat_flow: true }
    const flagged = await client.json('PUT', '/api/v1/tasks/acme/deployed', flags)
    expect([flagged.status, flagged.body]).toEqual([200, expect.objectContaining({ ...flags, workflow: echoing })])
    expect((await get('/tasks/acme/')).body.map((one: Body) => one.name)).toContain('deployed')
    const deleted = await client.send('DELETE', '/api/v1/tasks/acme/deployed')
    isJson(deleted)
    expect(deleted.status).toBe(200)
  })

  test('runWorkflow, runWithFiles with parts that have no type, runWorkflowSync', async () => {
    const started = await client.form('/api/v1/run/acme/t', [{ name: 'init_params', content: '{"text":"x"}' }])
    expect(started.body).toMatchObject({ message: expect.any(String), status: 'pending', result: {}, metadata: '' })
    expect(started.body.workflow_id.length).toBeGreaterThan(0)
    const files = await client.form('/api/v1/run-sync/acme/t', [
      { name: 'init_params', content: '{}' },
      { name: 'files', content: '{"a":1}', filename: 'case.json', type: '' },
      { name: 'files', content: 'x', filename: 'Ünï çödé.txt' },
      { name: 'secret_params', content: '{"OPENAI_API_KEY":"sk-of-this-run"}' },
      { name: 'use_trial_keys', content: 'false' },
    ])
    expect(files.status).toBe(200)
    const paths: string[] = files.body.init_params.file_paths
    expect(paths).toEqual([expect.stringMatching(/\.00\.json$/), expect.stringMatching(/\.01\.txt$/)])
    expect(files.text).not.toContain('sk-of-this-run')
    const encoded = (paths[1] ?? '').split('/').map(encodeURIComponent).join('/')
    const file = await get(`/file/${encoded}`)
    expect([file.status, file.text]).toEqual([200, 'x'])
    const shown = String(file.headers['content-disposition'])
    expect(decodeURIComponent(/filename\*=UTF-8''(.+)$/.exec(shown)?.[1] ?? '')).toBe('Ünï çödé.txt')
  })

  test('runAndWait: polls from the moment the run is answered, and never meets a 404', async () => {
    const failing = { step_configs: { no: { activity: 'text_echo', text_path: 'init_params.nothing' } }, steps: ['no'] }
    await client.json('POST', '/api/v1/tasks/acme', { name: 'failing', description: '', workflow: failing })
    const runAndWait = async (task: string): Promise<Body> => {
      const { body } = await client.form(`/api/v1/run/acme/${task}`, [{ name: 'init_params', content: '{}' }])
      const id = body.workflow_id.slice(body.workflow_id.lastIndexOf('--') + 2)
      for (;;) {
        const seen = await get(`/db/trajectory/acme/${task}/${id}`)
        expect(seen.status).toBe(200)
        if (['completed', 'failed', 'cancelled', 'archived'].includes(seen.body.status)) return seen.body
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    const done = await Promise.all(Array.from({ length: 20 }, () => runAndWait('t')))
    expect(done.map((one) => one.status)).toEqual(Array(20).fill('completed'))
    const failed = await runAndWait('failing')
    expect([failed.status, failed.error]).toEqual(['failed', expect.stringMatching(/^Step 'no' failed: .*nothing/)])
    const ask = {
      step_configs: { ask: { activity: 'litellm_chat', model: 'groq/llama-3.3-70b-versatile', prompt: 'Hi' } },
      steps: ['ask'],
    }
    await client.json('POST', '/api/v1/tasks/acme', { name: 'unserved', description: '', workflow: ask })
    const unserved = await runAndWait('unserved')
    expect([unserved.status, unserved.error]).toEqual(['failed', expect.stringContaining('set GROQ_API_KEY')])
    expect(unserved.error_detail).toMatchObject({ code: 'model_unavailable', hint: expect.any(String) })
  })

  test('listTrajectories, getTrajectory, getWorkflowLogs', async () => {
    const list = await get('/db/trajectories/acme/t?limit=2&page=1')
    expect(list.body).toMatchObject({ page: 1, limit: 2, total: expect.any(Number), has_more: true })
    const [{ trajectory_id: id, workflow_id }] = list.body.trajectories
    expect((await get(`/db/trajectory/acme/t/${id}`)).body.trajectory_id).toBe(id)
    const logs = await get(`/workflows-logs/${encodeURIComponent(workflow_id)}`)
    isJson(logs)
    expect(logs.body.trajectory_id).toBe(id)
  })

  test('downloadFile: bytes as they were sent', async () => {
    const content = randomBytes(100_000)
    const { body } = await client.form('/api/v1/run/acme/t', [{ name: 'files', content, filename: 'x.grade.json' }])
    const [path] = body.trajectory.init_params.file_paths
    const file = await get(`/file/${path.split('/').map(encodeURIComponent).join('/')}`)
    expect(file.bytes.equals(content)).toBe(true)
    expect(file.headers['content-disposition']).toBe('attachment; filename="x.grade.json"')
  })

  test('getTrialStatus, and activateTrial as a POST without body or content type', async () => {
    const trial = await get('/trial/acme')
    isJson(trial)
    expect([trial.status, trial.body.active, trial.body.runs_remaining]).toEqual([200, false, expect.any(Number)])
    const activated = await client.send('POST', '/api/v1/trial/acme/activate')
    expect([activated.status, activated.body.detail]).toEqual([400, 'Trial keys are not available on this server'])
  })

  test('getStats, listStepTemplates, getStepTemplate', async () => {
    for (const path of ['/db/stats/acme/t', '/step-templates', '/step-templates/text_echo']) {
      const answer = await get(path)
      isJson(answer)
      expect([path, answer.status]).toEqual([path, 200])
    }
  })

  test('ingestTrajectory: five fields; the same id again overwrites', async () => {
    const push = (body: object) => client.json('POST', '/api/v1/trajectories/acme/sdk-evals/ingest', body)
    const first = await push({ trajectory_id: 'sess-turn_0', output: 'one', status: 'failed', scores: { tone: 0.5 } })
    isJson(first)
    expect([first.status, first.body]).toEqual([
      200,
      {
        trajectory_id: 'sess-turn_0',
        name: 'acme/sdk-evals',
        storage_path: 'acme/sdk-evals/0000',
        status: 'failed',
        labels: [
          {
            key: 'score.tone',
            value: '0.5',
            author: 'ingest',
            recorded_by: expect.any(String),
            created: expect.any(String),
          },
        ],
      },
    ])
    expect((await push({ trajectory_id: 'sess-turn_0', output: 'two' })).status).toBe(200)
    const list = (await get('/db/trajectories/acme/sdk-evals')).body
    expect([list.total, list.trajectories[0].steps.eval.outputs.output]).toEqual([1, 'two'])
  })

  test('addLabel: each one is in list and get at once, and of a key the last one counts', async () => {
    const { trajectory_id: id } = (await client.form('/api/v1/run-sync/acme/t', [])).body
    for (const [key, value, author] of [
      ['eval.grade', 'B', 'one'],
      ['eval.pass', 'true', 'one'],
      ['eval.grade', 'A', 'two'],
      ['eval.pass', 'false', 'one'],
    ]) {
      const added = await client.json('POST', `/api/v1/trajectory/acme/t/${id}/labels`, { key, value, author })
      expect([added.status, added.body.ok]).toEqual([200, true])
      const [shown, listed] = [
        (await get(`/db/trajectory/acme/t/${id}`)).body.labels,
        (await get('/db/trajectories/acme/t?limit=1')).body.trajectories[0].labels,
      ]
      expect(shown).toEqual(listed)
      expect(shown.at(-1)).toMatchObject({ key, value, author })
    }
    const { labels } = (await get(`/db/trajectory/acme/t/${id}`)).body
    expect(labels).toHaveLength(3)
    expect(Object.fromEntries(labels.map((one: Body) => [one.key, one.value]))).toEqual({
      'eval.grade': 'A',
      'eval.pass': 'false',
    })
  })

  test('parseWorkflowId: what stands after the last -- is the trajectory', async () => {
    await client.json('POST', '/api/v1/tasks/acme', { name: 'a--b-c', description: '', workflow: echoing })
    const { body } = await client.form('/api/v1/run/acme/a--b-c', [])
    expect(body.workflow_id).toBe(`acme-a--b-c--${body.trajectory_id}`)
    const id = body.workflow_id.slice(body.workflow_id.lastIndexOf('--') + 2)
    expect((await get(`/db/trajectory/acme/a--b-c/${id}`)).status).toBe(200)
    expect((await get(`/workflows-logs/${body.workflow_id}`)).body.trajectory_id).toBe(id)
  })

  test('errors are mapped by their status, and every body has a detail', async () => {
    const anonymous = await server.nobody.send('GET', '/api/v1/collections/')
    expect([anonymous.status, anonymous.body, anonymous.headers['www-authenticate']]).toEqual([
      401,
      { detail: 'Not authenticated' },
      'Bearer',
    ])
    await server.admin.json('POST', '/api/v1/collections/', { name: 'foreign' })
    const foreign = await get('/tasks/foreign/')
    expect([foreign.status, foreign.body.detail]).toEqual([404, "Collection with name 'foreign' not found"])
    expect((await get('/db/trajectory/acme/t/ffffffff')).status).toBe(404)
    const bad = await client.form('/api/v1/run/acme/t', [{ name: 'init_params', content: 'nonsense' }])
    expect([bad.status, bad.body.detail[0]]).toEqual([
      422,
      { loc: ['body', 'init_params'], msg: expect.any(String), type: expect.any(String) },
    ])
    for (const path of [
      '/tasks/my%20collection/',
      '/tasks/acme/triage%2Fgrader',
      '/db/trajectories/my%20collection/triage%2Fgrader',
    ]) {
      const answer = await get(path)
      isJson(answer)
      expect([answer.status, typeof answer.body.detail]).toEqual([404, 'string'])
    }
  })

  test('HEAD wherever GET is', async () => {
    for (const path of ['/collections/', '/tasks/acme/t', '/db/trajectories/acme/t', '/step-templates', '/health']) {
      const head = await client.send('HEAD', `/api/v1${path}`)
      expect([path, head.status, head.text]).toEqual([path, 200, ''])
    }
  })
})

describe('the MCP server', () => {
  test('list-collections, get-collection, list-tasks, get-task, list-step-templates, get-step-template', async () => {
    const paths = [
      '/collections/',
      '/collections/acme',
      '/tasks/acme/',
      '/tasks/acme/t',
      '/step-templates',
      '/step-templates/text_split',
    ]
    for (const path of paths) {
      const answer = await get(path)
      isJson(answer)
      expect([path, answer.status]).toEqual([path, 200])
    }
    expect((await get('/collections/acme')).body.environment_variables).toEqual(expect.any(Object))
  })

  test('create-task with an empty description; update-task with what is truthy alone', async () => {
    const made = await client.json('POST', '/api/v1/tasks/acme', { name: 'm', workflow: echoing, description: '' })
    expect([made.status, made.body.description]).toEqual([201, ''])
    const changed = await client.json('PUT', '/api/v1/tasks/acme/m', { description: 'now' })
    expect([changed.status, changed.body.description, changed.body.workflow]).toEqual([200, 'now', echoing])
    const same = await client.json('PUT', '/api/v1/tasks/acme/m', {})
    expect([same.status, same.body.updated_at]).toEqual([200, changed.body.updated_at])
  })

  test('run-workflow, run-workflow-sync, list-trajectories, get-trajectory', async () => {
    const parts = [{ name: 'init_params', content: '{"text":"from mcp"}' }]
    const run = await client.form('/api/v1/run/acme/t', parts)
    isJson(run)
    const sync = await client.form('/api/v1/run-sync/acme/t', parts)
    expect([sync.status, sync.body.steps.echo.outputs.text]).toEqual([200, 'from mcp'])
    const list = await get('/db/trajectories/acme/t?limit=10&page=1')
    expect(list.body.trajectories[0].trajectory_id).toBe(sync.body.trajectory_id)
    expect((await get(`/db/trajectory/acme/t/${sync.body.trajectory_id}`)).body.status).toBe('completed')
  })

  test('set-environment-vars (null deletes) and check-secrets', async () => {
    const patch = (environment_variables: object) =>
      client.json('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
    await patch({ GEMINI_API_KEY: 'value-of-it', GONE: 'x' })
    await patch({ GONE: null, NEVER_WAS: null })
    const names = Object.keys((await get('/collections/acme/environment')).body.environment_variables)
    const wanted = ['GEMINI_API_KEY', 'GONE', 'NEVER_WAS']
    expect(wanted.filter((name) => names.includes(name))).toEqual(['GEMINI_API_KEY'])
  })

  test('get-trial-status before a run, and activate-trial', async () => {
    const trial = await get('/trial/acme')
    isJson(trial)
    expect(trial.body.active).toBe(false)
    expect((await client.send('POST', '/api/v1/trial/acme/activate')).body.detail).toMatch(/not available/)
  })

  test('get-stats and add-label', async () => {
    const { trajectory_id: id } = (await client.form('/api/v1/run-sync/acme/t', [])).body
    const path = `/api/v1/trajectory/acme/t/${id}/labels`
    const label = await client.json('POST', path, { key: 'review', value: 'good', author: 'mcp' })
    isJson(label)
    const stats = await get('/db/stats/acme/t')
    isJson(stats)
    expect([label.status, stats.status, stats.body.labels.review]).toEqual([200, 200, { good: 1 }])
  })
})
