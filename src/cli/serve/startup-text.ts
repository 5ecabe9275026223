import pc from 'picocolors'
import { type Settings, settingList } from '../../lib/settings/config.ts'
import { version } from '../../lib/version.ts'
import type { MachineCheck } from '../../server/local/machine-checks.ts'
import type { Server } from '../../server/start-server.ts'

interface Started {
  settings: Settings
  server: Server
  seconds: number
  /** Result of the sandbox probe, if there was one. */
  sandbox?: MachineCheck
}

/** Custom base URLs of providers; only the host is shown, since a URL may hold a password. */
const baseUrls = (settings: Settings): string[] =>
  settingList
    .filter(({ variable }) => variable.endsWith('_BASE_URL'))
    .map(({ name, variable }) => [variable, settings[name]] as const)
    .filter(([, url]) => typeof url === 'string')
    .map(([variable, url]) => `${variable} at ${new URL(String(url)).host}`)

/** Sandbox of runbooks, or how to get one. */
const sandboxText = (settings: Settings, sandbox: MachineCheck | undefined): string => {
  if (!sandbox) return `${settings.sandbox} (\`jetty doctor\` tries it)`
  if (sandbox.state === 'ok') return sandbox.found
  return [pc.yellow(sandbox.found), `${' '.repeat(12)}→ ${sandbox.remedy}`].join('\n')
}

/** Summary of the started server for a person at a terminal, with a link that signs in. Shows only what exists. */
export const startupText = async ({ settings, server, seconds, sandbox }: Started): Promise<string> => {
  const { url, dataDir, demo } = server
  const signInUrl = await server.makeSignInUrl?.()
  const rows: [string, string][] = []
  if (url && server.hasPages) {
    const signIn = signInUrl ? 'signs in once, for ten minutes' : '`jetty sign-in` prints a link that signs in'
    rows.push(['Pages', `${signInUrl ?? url} (${signIn})`])
  }
  if (url) {
    rows.push(['API', `${url}/api/v1`], ['Docs', `${url}/docs`])
    rows.push(['Gateway', `${url}/v1 for OpenAI clients, ${url} for Anthropic's`])
  }
  const elsewhere = baseUrls(settings)
  if (elsewhere.length > 0) rows.push(['Models', elsewhere.join(', ')])
  if (server.metricsUrl) rows.push(['Metrics', `${server.metricsUrl}/metrics (no token)`])
  rows.push(['Database', server.postgres ? `${dataDir}/db (embedded)` : 'DATABASE_URL'], ['Files', `${dataDir}/files`])
  if (settings.role !== 'api') rows.push(['Steps', `${settings.workerConcurrency} at once`])
  if (settings.role !== 'api') rows.push(['Sandbox', sandboxText(settings, sandbox)])
  rows.push(['Admin', settings.adminToken ? 'JETTY_ADMIN_TOKEN' : `${dataDir}/admin-token`])
  if (server.trialKeys.length > 0) rows.push(['Trials', `lend ${server.trialKeys.join(', ')}`])
  if (demo) rows.push(['Token', `${demo.tokenPath} (${demo.shownToken}; for the collection demo)`])
  if (demo && url) rows.push(['Try', '`jetty run demo/hello -p name=moon --wait`'])
  const lines = rows.map(([name, value]) => `  ${pc.dim(name.padEnd(9))} ${value}`)
  const warning =
    settings.host === '127.0.0.1' || settings.host === 'localhost' || !url
      ? []
      : ['', `  ${pc.yellow('Reachable from other machines.')} Put a proxy with TLS in front of it.`]
  return [
    '',
    `  ${pc.bold('jetty')} ${version}`,
    '',
    ...lines,
    ...warning,
    '',
    `  ready in ${seconds.toFixed(1)} s · Ctrl-C drains running steps`,
    '',
  ].join('\n')
}

/** Summary as one JSON line, for programs that read stdout. It goes into logs, so it has no link that signs in. */
export const startupLine = ({ settings, server, seconds }: Started): string =>
  JSON.stringify({
    event: 'ready',
    version,
    role: settings.role,
    url: server.url ?? null,
    metrics_url: server.metricsUrl ?? null,
    data_dir: server.dataDir,
    database: server.postgres ? 'embedded' : 'DATABASE_URL',
    sandbox: settings.role === 'api' ? null : settings.sandbox,
    trial_keys: server.trialKeys,
    token_path: server.demo?.tokenPath ?? null,
    demo_run: server.demo?.tryUrl ?? null,
    sign_in: server.hasPages ? 'jetty sign-in prints a link that signs a browser in' : null,
    pid: process.pid,
    seconds: Math.round(seconds * 1000) / 1000,
  })
