// Manifests by which coding agents take this package as a plugin: its skills, and its MCP server.
import { version } from '../src/lib/version.ts'

const description =
  'Run, debug and improve durable AI work on a Jetty server: workflows, batches, evaluations, runbooks.'
const about = { name: 'jetty', version, description, author: { name: 'Jetty' }, license: 'MIT' }
const servers = { jetty: { command: 'jetty', args: ['mcp'] } }

/** JSON as the formatter leaves it: a list of one text stays in its line. */
const json = (value: unknown): string => `${JSON.stringify(value, null, 2).replace(/\[\s+("[^"]*")\s+\]/g, '[$1]')}\n`

/** The manifests by their paths from the root, where each agent looks for its own. All of them find `skills/` there. */
export const skillManifests = (): Record<string, string> => ({
  '.claude-plugin/plugin.json': json({ ...about, mcpServers: servers }),
  '.claude-plugin/marketplace.json': json({
    name: 'jetty',
    owner: { name: 'Jetty' },
    metadata: { description },
    plugins: [{ name: 'jetty', source: './', description, version }],
  }),
  '.codex-plugin/plugin.json': json({ ...about, skills: './skills/', mcpServers: './skills/mcp.json' }),
  'skills/mcp.json': json({ mcpServers: servers }),
  'gemini-extension.json': json({ name: 'jetty', version, description, mcpServers: servers }),
})
