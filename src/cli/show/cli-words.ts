/** Rewrites API terms in the command line's words; the first matching rule counts. */
const rules: readonly (readonly [api: RegExp, cli: string])[] = [
  [/GET \/api\/v1\/step-templates\/([\w-]+)/g, '`jetty templates show $1`'],
  [/GET \/api\/v1\/step-templates/g, '`jetty templates ls`'],
  [/GET \/api\/v1\/(?:db\/)?trajectory\/\{collection\}\/\{task\}\/\{trajectory_id\}/g, '`jetty runs get <run>`'],
  [/GET \/api\/v1\/(?:db\/)?trajectory\/([\w.-]+\/[\w.-]+\/[\w.:-]+)/g, '`jetty runs get $1`'],
  [/POST \/api\/v1\/tasks\/([\w.-]*\w)/g, '`jetty tasks deploy <file> $1/<task>`'],
  [/`?GET \/v1\/models`?/g, '`jetty api listRoutableModels`'],
  [/POST \/api\/v1\/run\/\{collection\}\/\{task\}/g, '`jetty run <collection>/<task>`'],
  [/POST \/api\/v1\/api-keys/g, '`jetty keys create`'],
  [/POST \/v1\/chat\/completions/g, '`jetty chat`'],
  [/Send the file in the form field `files` of the run/g, 'Send the file with the run: -f <path>'],
  [/the form field `(\w+)`/g, 'the option --$1'],
  [/Send the header X-Jetty-Collection, or "jetty": \{"collection": "…"\} in the body\./g, 'Name it with -c.'],
  [/\bbody\.(?:template_variables|init_params)\.([\w-]+)/g, '-p $1'],
  [/\bbody\.(?:template_variables|init_params)\b/g, '-p name=value'],
  [/\btemplate_variables\.([\w-]+)/g, '-p $1'],
  [/\bin template_variables \(for most tasks, (init_params\.vars\.[^()]*)\)/g, 'with $1'],
  [/\binit_params\.(vars\.[\w-]+)/g, '-p $1=…'],
  [/\bin `?template_variables`?(?: \(for most tasks, init_params\.vars\))?/g, 'with -p name=value'],
  [/`?\btemplate_variables\b`?/g, '-p name=value'],
  [/\bbody\.secret_params\.(\w+)/g, '--secret $1'],
  [/\b(?:into|as|in|with) `?secret_params`?/g, 'with --secret NAME'],
  [/`?\bsecret_params\b`?/g, '--secret NAME'],
  [/^(?:body|query|form|path)\.(?=\w)/gm, ''],
  [/Wait for the number of seconds in `Retry-After`\./g, 'Try again in a moment.'],
  [
    /Poll the trajectory\. Do not start the run again\./g,
    'Watch it with: jetty runs watch <run>. Do not start it again.',
  ],
]

/** A sentence that still names an API call after all rules, which cannot be typed here. */
const aboutCalls = /(?<=^|[.!?]\s+)[^.!?\n]*\b(?:GET|POST|PUT|PATCH|DELETE) \/(?:api\/)?v1\/\S*[^.!?\n]*[.!?]?\s*/g

/** Rewrites a server's text: commands and options instead of calls, fields and forms. */
export const cliWords = (text: string): string =>
  rules
    .reduce((words, [api, cli]) => words.replace(api, cli), text)
    .replace(aboutCalls, '')
    .trim()
