import { answer, echo, type FixtureRun, nap, numbered, steps, weeklyReport } from './fixture-run.ts'

const nasty = [
  '<script>alert(1)</script><img src=x onerror=alert(2)>',
  '[click](javascript:alert(3)) ![image](https://evil.example/pixel.png)',
  '\u001b[31mred\u001b[0m \u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007 \u202egpj.exe',
  '{{constructor.constructor("alert(4)")()}}',
].join('\n\n')

const runbook = `---
primary_outputs: totals.csv
verify:
  command: 'echo "$(wc -l < totals.csv) of 3 lines"; test "$(wc -l < totals.csv)" -ge 3'
  repair_rounds: 2
---

# Totals

Add the orders up, for each customer.

\`\`\`sh
mkdir -p /app/results
test -s /app/results/totals.csv || echo customer,total >> /app/results/totals.csv
grep -q ada /app/results/totals.csv && echo "grace,1200" >> /app/results/totals.csv || echo "ada,220" >> /app/results/totals.csv
\`\`\`

\`\`\`sh
cat /app/results/totals.csv
ls /nowhere || true
\`\`\`
`

const chatMessages = [
  { role: 'system', content: 'You look things up before you answer.' },
  { role: 'user', content: 'How long is the jetty of Busan?' },
  {
    role: 'assistant',
    content: null,
    tool_calls: [
      { id: 'call_1', type: 'function', function: { name: 'find_jetty', arguments: '{"city":"Busan","unit":"m"}' } },
    ],
  },
  { role: 'tool', tool_call_id: 'call_1', content: '{"name":"North jetty","metres":1200}' },
]

/** The runs that fixtures are recorded from, in the order in which they are started. */
export const fixtureRuns = (media: Record<string, Uint8Array>): FixtureRun[] => [
  weeklyReport,
  {
    name: 'one-step',
    task: 'hello',
    description: 'Says good morning',
    workflow: steps({ say: { activity: 'text_echo', text_path: 'init_params.text' } }),
    params: { text: 'Good morning' },
  },
  {
    name: 'chain',
    task: 'import-catalogue',
    description: 'Reads a catalogue, page after page',
    workflow: steps(
      numbered(1000, (at) =>
        at === 0 ? echo('start') : { activity: 'text_echo', text_path: `step_${at}.outputs.text` },
      ),
    ),
  },
  {
    name: 'parallel',
    task: 'ask-three-people',
    description: 'Asks three people at once',
    workflow: {
      ...steps({
        plan: echo('Ask three people'),
        ask_ada: nap(0.6, { depends_on: ['plan'] }),
        ask_grace: nap(0.9, { depends_on: ['plan'] }),
        ask_alan: nap(0.4, { depends_on: ['plan'] }),
        note: { activity: 'text_template', template: 'Ada slept {{s}} s', s_path: 'ask_ada.outputs.seconds' },
        compare: {
          activity: 'text_concatenate',
          texts_path: ['plan.outputs.text', 'note.outputs.text'],
          depends_on: ['ask_grace', 'ask_alan'],
        },
      }),
      execution: 'parallel',
    },
  },
  {
    name: 'branch',
    task: 'judge-drafts',
    description: 'Publishes what is good enough',
    workflow: steps({
      judge: {
        activity: 'simple_judge',
        model: 'scripted/judge',
        item_path: 'init_params.text',
        instruction: 'scripted: 2 if "boat"',
      },
      check: {
        activity: 'conditional_branch',
        condition_path: 'judge.outputs.average_score',
        operator: '>=',
        value: 4,
        true_step: 'publish',
        false_step: 'revise',
      },
      publish: echo('Published'),
      revise: { activity: 'text_template', template: 'Please revise: {{text}}', text_path: 'init_params.text' },
    }),
    params: { text: 'A boat at the jetty' },
  },
  {
    name: 'loop',
    task: 'polish-draft',
    description: 'Polishes a draft until it shines',
    workflow: steps({
      topic: echo('harbours'),
      draft: { activity: 'text_template', template: 'Draft about {{topic}}', topic_path: 'topic.outputs.text' },
      polish: { activity: 'text_concatenate', texts_path: ['draft.outputs.text'] },
      again: { activity: 'loop_counter', steps: ['draft', 'polish'], max_turns: 40 },
      save: { activity: 'save_text_file', text_path: 'polish.outputs.text', filename: 'draft.md' },
    }),
  },
  {
    name: 'fan-out',
    task: 'read-archive',
    description: 'Summarises every document of the archive',
    child: {
      name: 'one-document',
      workflow: steps({
        read: {
          activity: 'conditional_branch',
          condition_path: 'init_params.item',
          operator: '!=',
          value: 7,
          true_step: 'summary',
          false_step: 'lost',
        },
        summary: { activity: 'text_template', template: 'Summary of {{n}}', n_path: 'init_params.item' },
        lost: { activity: 'read_text_file', file_path: 'acme/nothing/0000/here.txt' },
      }),
    },
    workflow: steps({
      documents: echo('forty of them'),
      analyses: {
        activity: 'list_emit_await',
        items_path: 'init_params.documents',
        child_workflow_name: 'one-document',
        max_concurrency: 8,
        continue_on_error: true,
      },
      gather: {
        activity: 'extract_from_trajectories',
        trajectory_list_path: 'analyses.outputs.trajectory_references',
        extract_keys: { summary: 'summary.outputs.text' },
      },
    }),
    params: { documents: Array.from({ length: 40 }, (_, at) => at + 1) },
  },
  {
    name: 'failed-first',
    task: 'read-inbox',
    description: 'Splits what came in',
    workflow: steps({
      read: { activity: 'read_text_file', file_path: 'acme/nothing/0000/here.txt' },
      split: { activity: 'text_split', text_path: 'read.outputs.content' },
      report: { activity: 'text_template', template: '{{count}} parts', count_path: 'split.outputs.count' },
    }),
  },
  {
    name: 'failed-retry',
    task: 'send-letters',
    description: 'Sends letters to the webhook of the printers',
    workflow: steps({
      draft: echo('A letter'),
      send: {
        activity: 'webhook_notify',
        url: 'https://nowhere.invalid/letters',
        payload_path: 'draft.outputs',
        options: { retry: { max_attempts: 3, backoff: { initial_sec: 0.3, factor: 2 }, retry_on: 'all' } },
      },
      archive: echo('Kept'),
    }),
  },
  {
    name: 'refused',
    task: 'ask-anything',
    description: 'Asks a model',
    workflow: steps({ ask: { activity: 'litellm_chat', model: 'claude-haiku-4-5', prompt: 'What is a jetty?' } }),
  },
  {
    name: 'waiting',
    task: 'publish-post',
    description: 'Publishes a post once an editor has agreed',
    workflow: steps({
      draft: echo(answer),
      gate: {
        activity: 'wait_for_approval',
        message: 'Publish this draft to the site?\n\n{{draft.outputs.text}}',
        assignees: ['editors'],
      },
      publish: echo('Published'),
    }),
    until: { begun: 'gate' },
  },
  {
    name: 'waiting-event',
    task: 'track-parcel',
    description: 'Thanks a customer once the parcel is on its way',
    workflow: steps(
      {
        order: echo('Order 4711: a chair'),
        shipped: {
          activity: 'wait_for_event',
          event: 'parcel.shipped',
          key_path: 'init_params.order',
          expires_in_sec: 1_209_600,
        },
        thank: echo('On its way'),
      },
      { init_params: { order: '4711' } },
    ),
    until: { begun: 'shipped' },
  },
  {
    name: 'cancelled',
    task: 'nightly-sync',
    description: 'Copies everything, every night',
    workflow: steps({ first: echo('one'), nap: nap(600), last: echo('two') }),
    until: { begun: 'nap' },
    cancels: true,
  },
  {
    name: 'running',
    task: 'transcribe-calls',
    description: 'Writes down what was said on the phone',
    workflow: steps({
      first: echo('one'),
      second: echo('two'),
      third: nap(3600),
      fourth: echo('four'),
      fifth: echo('five'),
    }),
    until: { begun: 'third' },
  },
  {
    name: 'large-values',
    task: 'collect-pages',
    description: 'Collects long texts',
    workflow: steps({
      text: { activity: 'text_template', template: '{{text}}', text_path: 'init_params.long' },
      parts: { activity: 'text_split', text_path: 'text.outputs.text', chunk_size: 200 },
      short: echo('done'),
    }),
    params: {
      long: Array.from({ length: 1_700 }, (_, at) => `${at + 1}. A sentence about jetties and the sea.`).join('\n'),
      short: 'a short one',
    },
  },
  {
    name: 'hostile',
    task: 'hostile',
    description: 'Shows what others have written',
    workflow: steps({
      show: { activity: 'text_echo', text_path: 'init_params.text' },
      tell: { activity: 'litellm_chat', model: 'scripted/echo', prompt_path: 'init_params.text' },
      save: { activity: 'save_text_file', text_path: 'init_params.text', filename: 'page.html' },
      fail: { activity: 'read_text_file', file_path_expr: 'init_params.text' },
    }),
    params: {
      text: nasty,
      __proto: { a: 1 },
      $large: { bytes: 1, type: 'string', preview: 'x', href: 'https://evil.example' },
    },
  },
  {
    name: 'media',
    task: 'harbour-album',
    description: 'Chooses pictures, sounds and films',
    workflow: steps({
      choose: { activity: 'select_files', files_path: 'init_params.file_paths', patterns: '*' },
      table: {
        activity: 'save_text_file',
        text: 'customer,total\nada,220\ngrace,1200\n"Turing, Alan",64\n',
        filename: 'totals.csv',
      },
      data: {
        activity: 'save_text_file',
        text: '{"ports":[{"name":"Busan","metres":1200},{"name":"Hamburg","metres":640}]}',
        filename: 'ports.json',
      },
      notes: { activity: 'save_text_file', text: answer, filename: 'notes.md' },
    }),
    files: media,
  },
  {
    name: 'long-gap',
    task: 'over-night',
    description: 'Rests until the morning',
    workflow: steps({
      evening: echo('lamps'),
      write: echo(answer),
      night: nap(1.2),
      morning: echo('coffee'),
      noon: echo('lunch'),
    }),
    stretch: { after: 'night', byMs: 8 * 3_600_000 },
  },
  {
    name: 'unicode',
    task: 'greetings',
    description: 'Greets in many languages',
    workflow: steps({
      greet: {
        activity: 'text_template',
        template: '{{name}} — 你好, こんにちは, שלום, مرحبا, Ωμέγα, 👩🏽‍🚀',
        name_path: "init_params['имя']",
      },
      'a-very-long-step-name-that-does-not-fit-into-its-column-at-all': echo('ꙮ'.repeat(200)),
    }),
    params: { имя: 'Zoë Ångström-Łukasiewicz', 'odd key': { "it's": '…' } },
  },
  {
    name: 'runbook',
    task: 'order-totals',
    description: 'Adds orders up, and proves it',
    workflow: steps({ run: { activity: 'runbook', agent: 'scripted', instruction: runbook } }),
  },
  {
    name: 'chat',
    task: 'look-up-jetties',
    description: 'Looks things up before it answers',
    workflow: steps({
      ask: {
        activity: 'litellm_chat',
        model: 'openai/gpt-4o-mini',
        system_prompt: 'Answer in Markdown.',
        prompt: answer,
        temperature: 0.2,
      },
      look: { activity: 'litellm_chat', model: 'openai/gpt-4o', messages: chatMessages, max_tokens: 200 },
    }),
  },
  {
    name: 'rerun',
    task: 'topic-lines',
    description: 'Writes a line about a topic',
    workflow: steps({
      read: { activity: 'text_echo', text_path: 'init_params.topic' },
      draft: {
        activity: 'text_template',
        template: 'A line about {{topic}}, {{tone}}.',
        topic_path: 'read.outputs.text',
        tone_path: 'init_params.tone',
      },
      save: { activity: 'save_text_file', text_path: 'draft.outputs.text', filename: 'draft.txt' },
    }),
    params: { topic: 'harbours', tone: 'short' },
    rerun: { from_step: 'draft', init_params: { tone: 'long and kind' } },
  },
]
