import { expect, test } from 'vitest'
import { cliWords } from './cli-words.ts'

test.each([
  ['GET /api/v1/step-templates/runbook lists the parameters.', '`jetty templates show runbook` lists the parameters.'],
  ['GET /api/v1/db/trajectory/acme/one/1f2e3d4c shows it.', '`jetty runs get acme/one/1f2e3d4c` shows it.'],
  ['Create it: POST /api/v1/tasks/acme.', 'Create it: `jetty tasks deploy <file> acme/<task>`.'],
  [
    'Send the file in the form field `files` of the run, or list its path in init_params.file_paths.',
    'Send the file with the run: -f <path>, or list its path in init_params.file_paths.',
  ],
  ['body.template_variables.subject: Required', '-p subject: Required'],
  ['body.name: Too long\nquery.limit: Too large', 'name: Too long\nlimit: Too large'],
  [
    "Put a key into the collection's environment or into secret_params.",
    "Put a key into the collection's environment or with --secret NAME.",
  ],
  ['body.secret_params.TOKEN: Missing', '--secret TOKEN: Missing'],
  ['Take one of `GET /v1/models`.', 'Take one of `jetty api listRoutableModels`.'],
  [
    'Give each one in template_variables (for most tasks, init_params.vars), or a default.',
    'Give each one with -p name=value, or a default.',
  ],
  ['Name it. PUT /api/v1/api-keys/{id} {"home_collection": "…"} sets the default of a key.', 'Name it.'],
  ['Look again. PUT /api/v1/nothing/at-all sets it. Then go on.', 'Look again. Then go on.'],
])('%j', (api, cli) => {
  expect(cliWords(api)).toBe(cli)
})

test('what is said in plain words stays', () => {
  for (const text of ['Raise JETTY_MAX_FETCH_BYTES.', 'The body of the letter. Post it.'])
    expect(cliWords(text)).toBe(text)
})
