import { expect, it } from 'vitest'
import { callPath, type FilledCall, snippetOf } from './document.ts'

const call: FilledCall = {
  name: 'runTask',
  method: 'POST',
  path: '/api/v1/run/{collection}/{task}',
  needsToken: true,
  params: { collection: 'demo', task: 'hello' },
  query: { preflight: '', wait: '1' },
  bodyText: '{"init_params": {"name": "moon\'s", "on": true, "no": null, "of": [1]}}',
}
const origin = 'https://jetty.example.com'

it('writes a call for curl', () => {
  expect(snippetOf('curl', call, origin)).toBe(
    `curl -sS -X POST '${origin}/api/v1/run/demo/hello?wait=1' \\
  -H "Authorization: Bearer $JETTY_API_TOKEN" \\
  -H 'Content-Type: application/json' \\
  -d '{"init_params": {"name": "moon'\\''s", "on": true, "no": null, "of": [1]}}'`,
  )
})

it('writes a call for the typed client', () => {
  const text = snippetOf('TypeScript', call, origin)
  expect(text).toContain(`createClient({ url: "${origin}", token: process.env.JETTY_API_TOKEN })`)
  expect(text).toContain('await jetty.runTask({\n  params: {\n    "collection": "demo",\n    "task": "hello"\n  },')
  expect(text).toContain('  query: {\n    "wait": "1"\n  },\n  body: {\n    "init_params": {')
})

it('writes a call for Python, with its names of values', () => {
  const text = snippetOf('Python', call, origin)
  expect(text).toContain('import os\n\nimport requests\n\nanswer = requests.post(\n')
  expect(text).toContain(
    '            "on": True,\n            "no": None,\n            "of": [\n                1,\n            ],\n',
  )
  expect(text).toContain('    params={\n        "wait": "1",\n    },\n')
})

it('leaves out what an operation does not take', () => {
  const health = {
    ...call,
    name: 'getHealth',
    method: 'GET',
    path: '/health',
    needsToken: false,
    params: {},
    query: {},
  }
  const without = { ...health, bodyText: undefined }
  expect(snippetOf('curl', without, origin)).toBe(`curl -sS ${origin}/health`)
  expect(snippetOf('TypeScript', without, origin)).toMatch(/await jetty\.getHealth\(\)$/)
  expect(snippetOf('Python', without, origin)).not.toContain('environ')
})

it('encodes parameters, and keeps the slashes of paths', () => {
  expect(callPath({ path: '/a/{collection}/{task}', params: { collection: 'x y' } })).toBe('/a/x%20y/{task}')
  expect(callPath({ path: '/file/{path}', params: { path: 'a b/c' } })).toBe('/file/a%20b/c')
})
