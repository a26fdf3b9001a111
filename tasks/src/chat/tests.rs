use super::*;
use serde_json::{Value as Json, json};

/// The chat template of a model folder with this configuration and, where there is one, `chat_template.jinja`.
fn open(config: &Json, jinja: Option<&str>) -> Result<ChatTemplate, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    if let Some(text) = jinja {
        std::fs::write(folder.path().join("chat_template.jinja"), text).unwrap();
    }
    let root = folder.path().display().to_string();
    ChatTemplate::open(folder.path()).map_err(|e| e.to_string().replace(&root, "MODEL"))
}

fn chat() -> [Message; 3] {
    [
        Message::new(Role::System, " Be brief.\n"),
        Message::new(Role::User, "1 < 2 & \"é\"?"),
        Message::new(Role::Assistant, "Yes."),
    ]
}

/// What a template makes of [`chat`], and of its first two messages when an answer is to follow.
#[track_caller]
fn rendered(template: &str) -> (String, String) {
    let config = json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": template});
    let template = open(&config, None).unwrap();
    (template.render(&chat(), false).unwrap(), template.prompt(&chat()[..2]).unwrap())
}

/// Templates, and what `apply_chat_template` of transformers 5.23 makes of the chat above with them.
const RENDERED: [(&str, &str, &str); 8] = [
    (
        "{{ bos_token }}\n{% for message in messages %}\n    {% if message['role'] == 'user' %}\nQ: {{ message['content'] }}\n    {%- else %}\nA: {{- message.content | trim }}\n    {% endif %}\n{% endfor %}\n{% if add_generation_prompt %}A:{% endif %}\n",
        "<s>\nA:Be brief.\nQ: 1 < 2 & \"é\"?A:Yes.\n",
        "<s>\nA:Be brief.\nQ: 1 < 2 & \"é\"?A:",
    ),
    (
        "{% for m in messages %}{% set c = '<|h|>' + m['role'] + '<|/h|>\\n\\n' + m['content'] | trim + eos_token %}{% if loop.index0 == 0 %}{% set c = bos_token + c %}{% endif %}{{ c }}{% endfor %}{% if add_generation_prompt %}{{ '<|h|>assistant<|/h|>\\n\\n' }}{% endif %}",
        "<s><|h|>system<|/h|>\n\nBe brief.</s><|h|>user<|/h|>\n\n1 < 2 & \"é\"?</s><|h|>assistant<|/h|>\n\nYes.</s>",
        "<s><|h|>system<|/h|>\n\nBe brief.</s><|h|>user<|/h|>\n\n1 < 2 & \"é\"?</s><|h|>assistant<|/h|>\n\n",
    ),
    (
        "{%- if messages[0]['role'] == 'system' -%}\n  {%- set system = messages[0]['content'].strip() -%}\n  {%- set rest = messages[1:] -%}\n{%- else -%}\n  {%- set rest = messages -%}\n{%- endif -%}\n{%- set ns = namespace(n=0, last='') -%}\n{%- for m in rest -%}\n  {%- set ns.n = ns.n + 1 -%}\n  {%- set ns.last = m.get('name', m['role'].upper()) -%}\n  {{ '[' ~ ns.n ~ ']' + m['content'].split('?')[0].rstrip() -}}\n{%- endfor -%}\n{{ system if system is defined else 'none' }}/{{ ns.last }}/{{ messages | length }}/{{ messages[-1].role.startswith('ass') }}",
        "[1]1 < 2 & \"é\"[2]Yes.Be brief./ASSISTANT/3/True",
        "[1]1 < 2 & \"é\"Be brief./USER/2/False",
    ),
    (
        "{% for m in messages[::-1] %}{% if m.role == 'system' %}{% break %}{% endif %}{% if m.role == 'nobody' %}{% continue %}{% endif %}{{ loop.index }}{{ m.role }},{% endfor %}{{ tools }}{{ documents is none }}{% if not tools %}no tools{% endif %}{% if date is defined %}{{ date }}{% endif %}{{ nothing }}{{ pad_token }}{% if 'tool_calls' in messages[0] %}calls{% endif %}",
        "1assistant,2user,NoneTrueno tools",
        "1user,NoneTrueno tools",
    ),
    (
        "{{ messages[1] | tojson }}{{ {'k': [1, 2.5, none, true, '<&>']} | tojson }}{{ messages | tojson(indent=2) }}",
        "{\"role\": \"user\", \"content\": \"1 < 2 & \\\"é\\\"?\"}{\"k\": [1, 2.5, null, true, \"<&>\"]}[\n  {\n    \"role\": \"system\",\n    \"content\": \" Be brief.\\n\"\n  },\n  {\n    \"role\": \"user\",\n    \"content\": \"1 < 2 & \\\"é\\\"?\"\n  },\n  {\n    \"role\": \"assistant\",\n    \"content\": \"Yes.\"\n  }\n]",
        "{\"role\": \"user\", \"content\": \"1 < 2 & \\\"é\\\"?\"}{\"k\": [1, 2.5, null, true, \"<&>\"]}[\n  {\n    \"role\": \"system\",\n    \"content\": \" Be brief.\\n\"\n  },\n  {\n    \"role\": \"user\",\n    \"content\": \"1 < 2 & \\\"é\\\"?\"\n  }\n]",
    ),
    (
        "{% macro say(m, end='.') %}{{ m.role | capitalize }}: {{ m.content | trim | replace('1', 'one') }}{{ end }}{% endmacro %}{% for m in messages %}{{ say(m, end='\\n' if not loop.last else '!') }}{% endfor %}{{ messages | map(attribute='role') | join('+') }}{{ (messages | selectattr('role', 'equalto', 'user') | list | first).content is string }}{% for m in messages if m.role != 'system' %}{{ loop.first }}{{ loop.length }}{% endfor %}",
        "System: Be brief.\nUser: one < 2 & \"é\"?\nAssistant: Yes.!system+user+assistantTrueTrue2False2",
        "System: Be brief.\nUser: one < 2 & \"é\"?!system+userTrueTrue1",
    ),
    (
        "{% for m in messages %}{% if m.role == 'assistant' %}{%- generation -%}\n  {{ m.content }}\n{% endgeneration %}\nend{% else %}{{ m.content | length }}{% endif %}{% endfor %}",
        "1112Yes.\nend",
        "1112",
    ),
    (
        "{#- a comment -#}\n{% raw %}{{ raw }}{% endraw %} {{ 7 // 2 }} {{ 7 % 3 }} {{ (1, 2)|length }} {{ messages[0].content|trim|upper }}\n\n",
        "{{ raw }} 3 1 2 BE BRIEF.\n",
        "{{ raw }} 3 1 2 BE BRIEF.\n",
    ),
];

#[test]
fn templates_are_rendered_as_transformers_does() {
    for (template, whole, prompt) in RENDERED {
        let got = rendered(template);
        assert_eq!((got.0.as_str(), got.1.as_str()), (whole, prompt), "{template}");
    }
}

#[test]
fn a_file_of_its_own_comes_before_the_configuration() {
    let config = json!({"chat_template": "configuration"});
    assert_eq!(open(&config, Some("file")).unwrap().prompt(&chat()).unwrap(), "file");
    assert_eq!(open(&config, None).unwrap().prompt(&chat()).unwrap(), "configuration");
}

#[test]
fn of_several_templates_the_default_one_is_taken() {
    let named = |name: &str| json!({"name": name, "template": name});
    let config = json!({"chat_template": [named("tool_use"), named("default")]});
    assert_eq!(open(&config, None).unwrap().prompt(&chat()).unwrap(), "default");
    let config = json!({"chat_template": [named("tool_use")]});
    let error = open(&config, None).unwrap_err();
    assert_eq!(error, "MODEL/tokenizer_config.json: none of the chat templates is named `default`");
}

#[test]
fn a_model_without_a_template_is_told() {
    for config in [json!({}), json!({"chat_template": null})] {
        let error = open(&config, None).unwrap_err();
        assert!(error.starts_with("MODEL: no chat template (neither chat_template.jinja nor"), "{error}");
    }
}

#[test]
fn a_template_may_refuse_a_chat() {
    let template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}";
    let error =
        open(&json!({"chat_template": template}), None).unwrap().prompt(&chat()).unwrap_err().to_string();
    assert!(
        error.contains("tokenizer_config.json: the chat template: invalid operation: no system role"),
        "{error}"
    );
}

#[test]
fn a_template_without_end_is_ended() {
    let template = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}";
    let error =
        open(&json!({"chat_template": template}), None).unwrap().prompt(&chat()).unwrap_err().to_string();
    assert!(error.contains("fuel"), "{error}");
}

#[test]
fn today_is_always_the_same_day() {
    let template = "{{ strftime_now('%d %b %Y, %H:%M') }}";
    let prompt = |text: &str| open(&json!({"chat_template": text}), None).unwrap().prompt(&chat());
    assert_eq!(prompt(template).unwrap(), "26 Jul 2024, 00:00");
    let error = prompt("{{ strftime_now('%!') }}").unwrap_err().to_string();
    assert!(error.contains("strftime_now does not know the format `%!`"), "{error}");
}

#[test]
fn an_answer_is_completed_by_the_template() {
    let template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}\
                    {% if add_generation_prompt %}<assistant>{% endif %}";
    let template = open(&json!({"chat_template": template}), None).unwrap();
    let messages = &chat()[..2];
    let prompt = template.prompt(messages).unwrap();
    assert_eq!(template.completion(messages, &prompt, "Yes.").unwrap(), "Yes.</>");
    // A prompt that earlier answers do not have: here, room for thoughts.
    let other = format!("{prompt}<think>");
    assert_eq!(template.completion(messages, &other, "Yes.").unwrap(), "Yes.");
}
