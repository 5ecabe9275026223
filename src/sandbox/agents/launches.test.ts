import { describe, expect, it } from 'vitest'
import { codingAgents, type RunbookAgent, runbookAgents } from '../../model/runbooks/runbook-agents.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import type { AgentTask } from './agent.ts'
import { agents } from './agents.ts'

const token = 'jetty-run-unmistakable'
const task: AgentTask = {
  model: 'some-model',
  provider: 'openrouter',
  prompt: 'Carry out /app/RUNBOOK.md. "quoted" $(rm -rf /)',
  token,
  mcpServers: undefined,
}
const real = codingAgents
const launch = (id: RunbookAgent, rest: Partial<AgentTask> = {}) => agents[id].launch({ ...task, ...rest })

describe.each(runbookAgents)('%s', (id) => {
  it('has the token in its environment, and nowhere else', () => {
    const { argv, env, files, stdin } = launch(id)
    expect(Object.values(env)).toContain(token)
    expect(JSON.stringify({ argv, files, stdin })).not.toContain(token)
  })

  it('knows of no address but the gateway', () => {
    const urls = JSON.stringify(launch(id)).match(/https?:\/\/[^"\\/]+/g)
    expect(new Set(urls)).toEqual(new Set([inside.gatewayUrl]))
  })

  it('stands where it is told that things stand', () => {
    const places = {
      app: '/x/app',
      runbook: '/x/app/RUNBOOK.md',
      home: '/x/home',
      agent: '/x/agent',
      tools: '/x/tools',
    }
    const mcpServers = { search: { command: 'search' } }
    const { argv, env, files } = launch(id, { places, mcpServers })
    expect(JSON.stringify({ argv, env, files })).not.toMatch(/\/opt\/|\/home\/agent|"\/app/)
    expect(argv.slice(0, 2).join(' ')).toMatch(/\/x\/(agent\/program|tools\/(node|scripted))/)
  })
})

describe.each(real)('%s', (id) => {
  it('is told what to do on its standard input', () => {
    const { argv, stdin } = launch(id)
    expect(stdin).toBe(task.prompt)
    expect(argv.join(' ')).not.toContain('rm -rf')
  })

  it('is pinned exactly', () => {
    expect(agents[id].package?.version).toMatch(/^\d+\.\d+\.\d+$/)
  })

  it('has the MCP servers that it is given, their keys in no argument', () => {
    const mcpServers = {
      local: { command: 'npx', args: ['-y', 'some-server'], env: { KEY: 'mcp-secret' } },
      remote: { type: 'http', url: 'https://mcp.example.com/x', headers: { Authorization: 'mcp-secret' } },
      broken: { nothing: true },
    }
    const { argv, env, files, warnings } = launch(id, { mcpServers })
    const told = JSON.stringify([env, files])
    for (const part of ['local', 'npx', 'some-server', 'mcp-secret', 'https://mcp.example.com/x'])
      expect(told).toContain(part)
    expect(JSON.stringify(argv)).not.toContain('mcp-secret')
    expect(warnings).toEqual(["The MCP server 'broken' has neither a command nor a url, and is ignored."])
  })
})

it('codex has its MCP servers as TOML', () => {
  const mcpServers = { 'a "b"': { command: ['run', 'it'], args: ['--x'], env: { KEY: 'v\n' } } }
  expect(launch('codex', { mcpServers }).files[0]?.text).toBe(
    '[mcp_servers."a \\"b\\""]\ncommand = "run"\nargs = ["it", "--x"]\nenv = { "KEY" = "v\\n" }\n',
  )
})

it('claude-code asks Bedrock in its own words', () => {
  const { env } = launch('claude-code', { provider: 'bedrock' })
  expect(env).toMatchObject({ CLAUDE_CODE_USE_BEDROCK: '1', AWS_BEARER_TOKEN_BEDROCK: token })
  expect(env.ANTHROPIC_API_KEY).toBeUndefined()
})

it.each([
  ['openrouter', '@ai-sdk/openai-compatible', '/v1'],
  ['anthropic', '@ai-sdk/anthropic', '/v1'],
  ['openai', '@ai-sdk/openai', '/v1'],
  ['google', '@ai-sdk/google', '/v1beta'],
] as const)('opencode asks %s by %s', (provider, npm, path) => {
  const config = JSON.parse(launch('opencode', { provider }).env.OPENCODE_CONFIG_CONTENT ?? '')
  expect(config.provider.jetty).toMatchObject({ npm, options: { baseURL: `${inside.gatewayUrl}${path}` } })
  expect(config.model).toBe('jetty/some-model')
})

it('Google writes names of models with a folder that is none', () => {
  expect(launch('gemini-cli', { model: 'models/gemini-x' }).argv).toContain('gemini-x')
  const config = launch('opencode', { model: 'models/gemini-x', provider: 'google' }).env.OPENCODE_CONFIG_CONTENT ?? ''
  expect(JSON.parse(config).model).toBe('jetty/gemini-x')
})

it('the scripted agent says that it has no MCP servers', () => {
  expect(launch('scripted', { mcpServers: { a: { command: 'x' } } }).warnings).toHaveLength(1)
})
