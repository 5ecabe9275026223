/** Bytes that the typed client costs a page of somebody else: bundled for browsers as Vite does it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, type Rolldown } from 'vite'
import { root } from './lib/built.ts'
import { stage } from './lib/stage.ts'

const entries = {
  createClient: "import { createClient } from 'CLIENT'\nglobalThis.jetty = createClient({ url: '', token: undefined })",
  'isJettyError alone': "import { isJettyError } from 'CLIENT'\nglobalThis.isJettyError = isJettyError",
}

/** Bundles a script, and weighs what comes out. */
const weigh = async (folder: string, source: string): Promise<{ raw: number; packed: number }> => {
  const entry = join(folder, 'entry.js')
  writeFileSync(entry, source.replace('CLIENT', join(root, 'dist/client/create-client.js')))
  const built = await build({
    root: folder,
    configFile: false,
    logLevel: 'error',
    build: { write: false, rollupOptions: { input: entry }, modulePreload: false },
  })
  const { output } = [built].flat()[0] as Rolldown.RolldownOutput
  const code = output.map((one) => (one.type === 'chunk' ? one.code : '')).join('')
  return { raw: code.length / 1000, packed: gzipSync(code, { level: 9 }).length / 1000 }
}

await stage('client', async ({ report }) => {
  const folder = mkdtempSync(join(tmpdir(), 'jetty-client-bench-'))
  try {
    const rows: [string, number, number][] = []
    for (const [name, source] of Object.entries(entries)) {
      const { raw, packed } = await weigh(folder, source)
      rows.push([name, raw, packed])
    }
    report.table('kB of a bundle for browsers', [['', 'raw', 'gzip'], ...rows])
    report.aim('the client, gzip', rows[0]?.[2] ?? Number.POSITIVE_INFINITY, 'at most', 12, ' kB')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
