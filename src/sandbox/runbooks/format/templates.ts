import type { EvaluationKind } from '../../../model/runbooks/runbook-evaluation.ts'

/** Template of a new runbook: complete, valid, and meant to be edited. */
export const runbookTemplate = (title: string, evaluation: EvaluationKind): string => `---
version: 1.0.0
evaluation: ${evaluation}
agent: claude-code
snapshot: python312-uv
secrets: {}
primary_outputs:
  - report.md
---

# ${title} — Agent Runbook

## Objective

Read every file in \`/app/assets\` and write a report about {{subject}} that a reader who has not seen the files can act
on. Each statement in it names the file that it comes from. Nothing is made up: what the files do not say is left out.

## REQUIRED OUTPUT FILES (MANDATORY)

| File | Description |
| --- | --- |
| \`{{results_dir}}/report.md\` | The report, at most two pages |
| \`{{results_dir}}/summary.md\` | What was done, in ten lines, and what could not be done |
| \`{{results_dir}}/validation_report.json\` | The stages, whether each of them passed, and \`overall_passed\` |

## Parameters

| Parameter | Template Variable | Default | Description |
| --- | --- | --- | --- |
| Results folder | \`{{results_dir}}\` | \`/app/results\` | Where everything is written |
| Subject | \`{{subject}}\` | *(required)* | What the report is about |

## Dependencies

| Dependency | Type | Required | Description |
| --- | --- | --- | --- |
| Python 3.12 | system | yes | Runs the verification script |

## Step 1: Environment Setup

\`\`\`sh
mkdir -p "{{results_dir}}"
ls -R /app/assets
\`\`\`

Stop with a clear sentence in \`summary.md\` if there is no file to read.

## Step 2: Read the Input

Read each file whole. Write down, for each, what it says about {{subject}} and where.

## Step 3: Write the Report

Write \`{{results_dir}}/report.md\`: the answer first, then what supports it, each point with its file in brackets.

${evaluationOf[evaluation]}
## Step 5: Iterate on Errors (max 3 rounds)

Mend what did not pass, and evaluate again. After three rounds stop, and say in \`summary.md\` what is still open.

### Common Fixes

| Issue | Fix |
| --- | --- |
| A statement names no file | Find the file, or take the statement out |
| The report is too long | Cut what does not change what the reader does |

## Step 6: Write the Summary and the Validation Report

Write \`summary.md\`, then \`validation_report.json\`:

\`\`\`json
{
  "version": "1.0.0",
  "run_date": "<date and time in UTC>",
  "parameters": { "subject": "{{subject}}" },
  "stages": [{ "name": "evaluation", "passed": true, "message": "<what was found>" }],
  "results": {},
  "overall_passed": true,
  "output_files": ["report.md", "summary.md"]
}
\`\`\`

\`overall_passed\` is true only where every stage has passed.

## Final Checklist

### Verification Script

\`\`\`sh
echo "=== FINAL OUTPUT VERIFICATION ==="
cd "{{results_dir}}" || exit 1
for file in report.md summary.md validation_report.json; do
  [ -s "$file" ] || { echo "missing or empty: $file"; exit 1; }
done
python3 -m json.tool validation_report.json > /dev/null && echo "all files are there"
\`\`\`

- [ ] The script above ends with "all files are there"
- [ ] Every statement of the report names its file
- [ ] \`validation_report.json\` says what really happened

## Tips

- Work on copies; leave the files in \`/app/assets\` as they are.
- Say what is missing before you guess it.
`

const evaluationOf: Readonly<Record<EvaluationKind, string>> = {
  programmatic: `## Step 4: Evaluate the Results

Give the report one status, by what can be checked:

| Status | Criteria |
| --- | --- |
| PASS | Every file in \`/app/assets\` is named in the report, and every statement names one |
| PARTIAL | A file is not named, and \`summary.md\` says why |
| FAIL | A statement names no file, or the report is longer than two pages |
`,
  rubric: `## Step 4: Evaluate the Results (Rubric)

Score the report on each criterion. It passes with a mean of 4.0 and nothing below 3.

| # | Criterion | 5 | 3 | 1 |
| --- | --- | --- | --- | --- |
| 1 | Support | Every statement names its file, and the file says it | One or two do not | Most do not |
| 2 | Use | The reader knows what to do after the first paragraph | After the whole report | Not at all |
| 3 | Length | No sentence could go | Some could | Most could |
`,
}
