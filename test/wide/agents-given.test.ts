// What a runbook gives its agent reaches each of them: MCP servers, variables, words of the caller; and what one prints,
// names and leaves running is taken as it comes.
import { readdirSync, readFileSync } from 'node:fs'
import { type ChatCompletionRequest, LLMock, type ToolCall } from '@copilotkit/aimock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agentsFolder } from '../agents/agents-folder.ts'
import { answeredTools, modelUsage, shellCall } from '../agents/five-steps.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

/** A server of the Model Context Protocol, in the arguments of Node: it has one tool, which writes a file. */
const mcpServer = `
const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n')
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  if (method === 'initialize') {
    const serverInfo = { name: 'notes', version: '1.0.0' }
    answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {}, resources: {} }, serverInfo })
  } else if (method === 'resources/list') {
    answer(id, { resources: [{ uri: 'note://1', name: 'it is noted' + process.env.NOTE_END }] })
  } else if (method === 'tools/list') {
    const inputSchema = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] }
    answer(id, { tools: [{ name: 'write_note', description: 'Writes a note', inputSchema }] })
  } else if (method === 'tools/call') {
    require('fs').writeFileSync('/app/results/note.txt', params.arguments.text + process.env.NOTE_END)
    answer(id, { content: [{ type: 'text', text: 'it is noted' + process.env.NOTE_END }] })
  } else if (id !== undefined) answer(id, {})
})`

const greeting = 'Grüße, 世界 🌍 "$(id)"'
const folder = 'fünf 世界'
const wanted: (string | { tool: string; arguments: object })[] = [
  'printf "%s" "$GREETING" > /app/results/greeting.txt',
  `mkdir -p "/app/results/${folder}" && echo ü > "/app/results/${folder}/ä🌍.txt" && echo "Ω 世界 🌍"`,
  'seq 1 300000',
  'setsid sleep 4713 > /dev/null 2>&1 & echo left',
  { tool: 'write_note', arguments: { text: 'größer 世界' } },
]

/** codex has its model search for the tools of MCP servers, which this one cannot; but their resources it can list. */
const listing = { tool: 'list_mcp_resources', arguments: { server: 'notes' } }

const named = (request: ChatCompletionRequest, { tool, arguments: given }: { tool: string; arguments: object }) => {
  const name = request.tools?.map((one) => one.function.name).find((one) => one.endsWith(tool))
  return name === undefined ? undefined : ({ name, id: 'call_note', arguments: JSON.stringify(given) } as ToolCall)
}

const keys = {
  ANTHROPIC_API_KEY: 'sk-ant-unmistakable-given-31a0',
  OPENAI_API_KEY: 'sk-unmistakable-given-31a1',
  GEMINI_API_KEY: 'gm-unmistakable-given-31a2',
}
const noteEnd = ', with what the server is given'

/** What the model was told so far, a text a call. */
let asked: string[]
let model: LLMock
let jetty: TestServer
beforeAll(async () => {
  asked = []
  model = new LLMock({ port: 0 })
  model.on({ predicate: () => true }, (request) => {
    asked.push(JSON.stringify(request.messages))
    const step = answeredTools(request)
    const one = wanted[step]
    const call =
      typeof one === 'string'
        ? shellCall(request, one, `call_${step}`)
        : one && (named(request, one) ?? named(request, listing))
    return call ? { toolCalls: [call], usage: modelUsage } : { content: 'Fertig: 世界 🌍', usage: modelUsage }
  })
  await model.start()
  jetty = await startTestServer({
    env: {
      JETTY_AGENTS_DIR: agentsFolder(),
      ANTHROPIC_BASE_URL: model.url,
      OPENAI_BASE_URL: `${model.url}/v1`,
      GEMINI_BASE_URL: `${model.url}/v1beta`,
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: keys })
})
afterAll(async () => {
  await jetty?.close()
  await model?.stop()
})

const running = (words: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(words)
    } catch {
      return false
    }
  })

describe.each([
  ['claude-code', 'claude-sonnet-4-6', 'anthropic'],
  ['codex', 'gpt-5.5', 'openai'],
  ['gemini-cli', 'gemini-3.1-pro-preview', 'google'],
  ['opencode', 'claude-sonnet-4-6', 'anthropic'],
] as const)('%s', (agent, name, provider) => {
  it('has what it is given, and whatever it prints, names and leaves is taken', async () => {
    asked = []
    const { body } = await jetty.call('POST', '/v1/chat/completions', {
      model: name,
      messages: [
        { role: 'system', content: '# Schritte\n\nWrite into {{results_dir}}: 世界.\n' },
        { role: 'user', content: 'prompt-unmistakable-世界' },
      ],
      jetty: {
        collection: 'acme',
        task: `given-${agent}`,
        agent,
        model_provider: provider,
        agent_env: { GREETING: greeting },
        mcp_servers: {
          notes: { command: '/opt/jetty/node', args: ['-e', mcpServer], env: { NOTE_END: noteEnd } },
        },
      },
    })
    const run = await jetty.get(`given-${agent}`, body.trajectory_id)
    const { outputs } = run.steps.run
    expect(outputs, JSON.stringify(run.error)).toMatchObject({ success: true, text: 'Fertig: 世界 🌍', exit_code: 0 })
    const made: Record<string, string> = {}
    for (const { relative_path, path } of outputs.results_files) {
      made[relative_path] = (await jetty.call('GET', `/api/v1/file/${encodeURI(path)}`)).body
    }
    expect(made).toEqual({
      'greeting.txt': greeting,
      [`${folder}/ä🌍.txt`]: 'ü\n',
      ...(agent !== 'codex' && { 'note.txt': `größer 世界${noteEnd}` }),
    })
    expect(asked.some((body) => body.includes('prompt-unmistakable-世界'))).toBe(true)
    const { body: logs } = await jetty.call('GET', `/api/v1/workflows-logs/${body.workflow_id}`)
    const told = JSON.stringify(logs.events)
    for (const part of ['Ω 世界 🌍', `it is noted${noteEnd}`, '300000']) expect(told).toContain(part)
    for (const event of logs.events as Body[]) expect(JSON.stringify(event).length).toBeLessThan(100_000)
    expect(running('sleep 4713')).toEqual([])
  })
})
