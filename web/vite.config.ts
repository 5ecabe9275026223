import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import tailwind from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'
import { contract } from '../src/api/contract.ts'
import { describeWireOperations } from '../src/client/operations.ts'

const here = fileURLToPath(new URL('.', import.meta.url))

/** The operations whose names the pages contain. What no page calls, a browser need not load. */
const ofPages = () => {
  const files = readdirSync(here, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx?$/.test(name))
  const words = new Set(files.flatMap((name) => readFileSync(join(here, name), 'utf8').match(/\w+/g) ?? []))
  return Object.fromEntries(Object.entries(contract).filter(([name]) => words.has(name)))
}

/** Serves `virtual:operations`: what the client needs to make requests, without the schemas and texts of the contract. */
const operationsPlugin = (): Plugin => {
  const id = '\0virtual:operations'
  const needed = JSON.stringify(describeWireOperations(ofPages()))
  return {
    name: 'jetty-operations',
    resolveId: (source) => (source === 'virtual:operations' ? id : null),
    // As text for JSON.parse, which is faster to load than an object literal of this size.
    load: (loaded) => (loaded === id ? `export default JSON.parse(${JSON.stringify(needed)})` : null),
  }
}

const server = process.env.JETTY_API_URL ?? 'http://127.0.0.1:7070'

export default defineConfig({
  root: here,
  plugins: [react({ jsxImportSource: '#jsx' }), tailwind(), operationsPlugin()],
  resolve: {
    alias: { '#jsx/jsx-runtime': `${here}ui/jsx-runtime.ts`, '#jsx/jsx-dev-runtime': 'react/jsx-dev-runtime' },
  },
  build: {
    outDir: fileURLToPath(new URL('../dist/web', import.meta.url)),
    emptyOutDir: true,
    // The first versions with light-dark(), nesting and popover.
    target: ['chrome125', 'firefox128', 'safari17.5'],
    manifest: 'manifest.json',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    license: { fileName: 'licenses.md' }, // of the packages that are in the files: their licences ask for it
  },
  server: { proxy: Object.fromEntries(['/api', '/v1', '/openapi.json'].map((path) => [path, server])) },
})
