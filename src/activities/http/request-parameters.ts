import { z } from 'zod'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { authSchema } from './auth.ts'
import { headersSchema, headerValue } from './headers.ts'
import { paginationSchema } from './pagination.ts'

const mebibyte = 1024 * 1024

/** Values that become texts: null has none, and to leave it out would send another request than the written one. */
const values = z.record(
  z.string(),
  z
    .unknown()
    .refine((value) => ![value].flat().includes(null), 'it is null: end its path with a question mark to leave it out'),
)

/** Parameters of `http_request`. */
export const requestParameters = z.object({
  url: z
    .string()
    .min(1)
    .describe('http or https URL.')
    .meta({ aliases: ['uri', 'endpoint'] }),
  method: z
    .string()
    .regex(/^[A-Za-z]{1,20}$/, 'a method is a word such as GET or POST')
    .refine((method) => !/^(connect|trace)$/i.test(method), 'CONNECT and TRACE are not supported')
    .optional()
    .describe('Method; default: POST with a body, otherwise GET.')
    .meta({ aliases: ['request_method', 'requestMethod', 'http_method', 'verb'] }),
  query: values
    .optional()
    .describe('Query parameters that are added to the URL; a list repeats its parameter.')
    .meta({ aliases: ['params', 'query_params', 'queryParameters', 'qs', 'search_params'] }),
  headers: headersSchema
    .optional()
    .describe('Headers by name. A value from the environment: "X-Api-Key_path": "env.KEY".')
    .meta({ aliases: ['headerParameters', 'header_parameters'] }),
  auth: authSchema
    .optional()
    .describe(
      'Credential: {type: bearer, token}, {type: basic, username, password}, or {type: header or query, name, value}; usually from the environment, as in "token_path": "env.API_TOKEN". Recorded as ***.',
    )
    .meta({ aliases: ['authentication', 'authorization'] }),
  body: z
    .unknown()
    .optional()
    .describe('Body: a text is sent as it is, any other value as JSON.')
    .meta({ aliases: ['json', 'data', 'payload', 'jsonBody', 'json_body', 'rawBody', 'raw_body'] }),
  form: values
    .optional()
    .describe('Fields of a form, sent URL-encoded, or as multipart/form-data together with files.')
    .meta({ aliases: ['form_data', 'formData', 'bodyParameters'] }),
  files: z.record(z.string(), z.string()).optional().describe('Files of a multipart form: field name to storage path.'),
  body_file: z.string().optional().describe('Storage path of a file that is sent as the body.'),
  response: z
    .enum(['auto', 'json', 'text', 'file'])
    .default('auto')
    .describe('Form of the result: json, text, file, or auto: by the content type, and a file above 1 MiB.')
    .meta({ aliases: ['response_format', 'responseFormat', 'response_type', 'responseType'] }),
  expect_status: z
    .array(z.union([z.number().int().min(100).max(599), z.string().regex(/^[1-5](xx|\d\d)$/)]))
    .min(1)
    .default(['2xx'])
    .describe('Statuses that do not fail the step: numbers, or classes such as "2xx".')
    .meta({ input: 'list' }),
  idempotency_key: z
    .union([z.boolean(), headerValue.min(1).max(255)])
    .optional()
    .describe('true sends the key of this step as Idempotency-Key, a text sends that: POST and PATCH are then retried.')
    .meta({ aliases: ['idempotencyKey'] }),
  pagination: paginationSchema
    .optional()
    .describe(
      'Follows the pages of a list. {type: link} uses the Link header, {type: cursor, cursor: "next_cursor", param} a member of the response, {type: page, param, start, step} counts. Also items (the member with the list), max_pages (10), max_items (10,000).',
    ),
  follow_redirects: z
    .boolean()
    .default(true)
    .describe('Follows up to five redirects. Another origin gets neither auth nor your headers.')
    .meta({ aliases: ['followRedirects', 'followRedirect'] }),
  redirect_without_body: z
    .boolean()
    .default(false)
    .describe(
      'Follows a redirect to another origin without the body. Otherwise one that would send it there is an error.',
    ),
  request_timeout_sec: z.number().positive().max(3_600).default(60).describe('Timeout of one request, in seconds.'),
  max_bytes: z
    .number()
    .int()
    .min(1)
    .max(256 * mebibyte)
    .default(32 * mebibyte)
    .describe('Maximum size of the response, or of all pages together. JSON and texts have at most 32 MiB each.'),
})

/** Outputs of `http_request`. */
export const responseOutputs = z.object({
  status_code: z.number().int().describe('HTTP status; with pagination that of the last page.'),
  headers: z.record(z.string(), z.string()).describe('Response headers in lower case, without Set-Cookie.'),
  url: z.string().describe('Final URL, after redirects.'),
  body: z.unknown().describe('The response as JSON or text; null if it is empty, a file, or has pages.'),
  file: mediaObjectSchema.nullable().describe('The response as a stored file; null otherwise.'),
  items: z.array(z.unknown()).describe('Items of all pages; empty without pagination.'),
  pages: z.number().int().describe('Number of pages read.'),
  next_url: z.string().nullable().describe('Next page, if a bound ended the pagination; null otherwise.'),
})
