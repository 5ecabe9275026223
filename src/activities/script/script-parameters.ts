import { z } from 'zod'
import { schemaParameter } from '../../lib/json-schema/schema-parameter.ts'
import { resultFileSchema } from '../../model/runbooks/runbook-run.ts'
import { languageNames } from '../../model/scripts/script-run.ts'

const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,199}$/, 'expected names such as API_TOKEN')
const host = z
  .string()
  .max(300)
  .regex(
    /^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.:[\]-]*[A-Za-z0-9\]])?$/,
    'expected hosts such as api.example.com or *.example.com',
  )

export const scriptParameters = z.object({
  language: z
    .enum(Object.keys(languageNames) as [keyof typeof languageNames])
    .describe('python, javascript or shell.')
    .meta({ aliases: ['lang', 'runtime'] }),
  code: z
    .string()
    .min(1)
    .max(500_000)
    .optional()
    .describe('The script. It is used as written: no {{ path }} in it.')
    .meta({ aliases: ['source', 'content', 'script', 'jsCode', 'pythonCode'], input: 'code', language: 'language' }),
  file: z
    .string()
    .optional()
    .describe('Storage path of a file with the script, in the place of code.')
    .meta({ aliases: ['script_file', 'code_file'] }),
  inputs: z
    .unknown()
    .optional()
    .describe('What the script reads: an object of values and paths such as {"orders_path": "read.outputs.value"}.')
    .meta({ aliases: ['input', 'args', 'arguments', 'data', 'params'] }),
  files: z
    .array(z.string())
    .max(1_000)
    .default([])
    .describe('Storage paths of files that the script reads; each has a copy in the folder uploads.')
    .meta({ aliases: ['input_files', 'file_paths'] }),
  env: z
    .array(variable)
    .max(100)
    .default([])
    .describe('Variables of the environment that the script sees, such as ["API_TOKEN"]; no others.')
    .meta({ aliases: ['secrets', 'environment', 'env_vars'] }),
  network: z
    .array(host)
    .max(100)
    .default([])
    .describe('Hosts that the script may reach over HTTP and HTTPS, such as ["api.example.com"]; none: no network.')
    .meta({ aliases: ['allowed_hosts', 'hosts', 'allow_hosts'] }),
  packages: z
    .array(z.string().max(300))
    .max(100)
    .default([])
    .describe('Exact versions of packages: ["lodash@4.17.21"] of npm, ["requests==2.32.3"] of PyPI.')
    .meta({ aliases: ['requirements', 'dependencies', 'libraries'] }),
  output_schema: schemaParameter
    .optional()
    .describe('JSON Schema that the result has to fit; otherwise the step fails.')
    .meta({ aliases: ['outputSchema', 'json_schema', 'result_schema'], input: 'json', language: 'json-schema' }),
  timeout_sec: z
    .number()
    .positive()
    .max(86_400)
    .optional()
    .describe('Time limit in seconds; default JETTY_SCRIPT_SECONDS.'),
})

export const scriptOutputs = z.object({
  result: z
    .unknown()
    .describe('The value that the script or its function main returned, or wrote to $JETTY_OUTPUT as JSON; else null.'),
  stdout: z.string().describe('What it printed: the last 64 KiB.'),
  stderr: z.string().describe('What it printed to standard error: the last 64 KiB.'),
  exit_code: z.int().nullable().describe('Exit code; null if it was ended by a limit.'),
  files: z.array(resultFileSchema).describe('Files that it wrote to the folder results.'),
  duration_seconds: z.number().describe('How long the script ran.'),
})
