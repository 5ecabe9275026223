import { createHash } from 'node:crypto'
import { Reply } from '../reply.ts'
import { docsStyle } from './docs-style.ts'

const marks: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** A text as HTML shows it, also within an attribute. */
export const html = (text: string): string => text.replace(/[&<>"']/g, (mark) => marks[mark] ?? mark)

const styleHash = createHash('sha256').update(docsStyle).digest('base64')

/** A page without scripts, under a policy that lets nothing in but its own style. `title` and `body` are HTML. */
export const htmlPage = (title: string, body: string, headers: Record<string, string> = {}): Reply =>
  new Reply(
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${docsStyle}</style></head>
<body>${body}</body></html>`,
    {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
      ...headers,
    },
  )
