import { fileURLToPath } from 'node:url'
import tailwind from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { operationsPlugin } from './operations-plugin.ts'

const here = fileURLToPath(new URL('.', import.meta.url))

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
