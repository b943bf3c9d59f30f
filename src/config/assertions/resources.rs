//! What the assertions of a set use besides their options: files, templates, and compiled patterns.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::config::set_folder::SetFolder;
use crate::config::template::{Template, TemplateError};
use crate::eval::{AssertionResources, CompileCache, Digest, OptionError};

/// Templates kept. As in [`CompileCache`], those that all cases use come first.
const MAX_TEMPLATES: usize = 512;

/// Shared by all cases: a set has many cases but few files, templates, and patterns.
#[derive(Default)]
pub(in crate::config) struct AssertionCaches {
    pub compiled: CompileCache,
    json_files: RefCell<HashMap<PathBuf, Value>>,
    digests: RefCell<HashMap<PathBuf, Option<Digest>>>,
    templates: RefCell<HashMap<String, Arc<Template>>>,
}

impl AssertionCaches {
    fn template(&self, text: &str) -> Result<Arc<Template>, TemplateError> {
        if let Some(template) = self.templates.borrow().get(text) {
            return Ok(Arc::clone(template));
        }
        let template = Arc::new(Template::new(text)?);
        let mut templates = self.templates.borrow_mut();
        if templates.len() < MAX_TEMPLATES {
            templates.insert(text.to_owned(), Arc::clone(&template));
        }
        Ok(template)
    }
}

/// The resources for the assertions of one case.
pub(in crate::config) struct CaseResources<'a> {
    pub folder: &'a SetFolder,
    pub variables: &'a Map<String, Value>,
    pub caches: &'a AssertionCaches,
}

impl AssertionResources for CaseResources<'_> {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn load_json(&self, name: &str) -> Result<Value, OptionError> {
        let path = self.folder.file(name)?;
        if let Some(value) = self.caches.json_files.borrow().get(&path) {
            return Ok(value.clone());
        }
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let why = format!("cannot read {}: {error}", path.display());
            OptionError::WithHint(why, "check the path (it is relative to the set)".to_owned())
        })?;
        let value: Value =
            serde_json::from_str(&text).map_err(|e| format!("{} is not valid JSON: {e}", path.display()))?;
        self.caches.json_files.borrow_mut().insert(path, value.clone());
        Ok(value)
    }

    fn file_digest(&self, word: &str) -> Option<Digest> {
        if Path::new(word).is_absolute() {
            return None;
        }
        let path = self.folder.path().join(word);
        // Reading from a pipe or device might never end.
        let read =
            || path.is_file().then(|| std::fs::read(&path).ok()).flatten().map(|bytes| Digest::of([bytes]));
        *self.caches.digests.borrow_mut().entry(path.clone()).or_insert_with(read)
    }

    fn render_template(&self, what: &str, text: &str) -> Result<String, OptionError> {
        let template = self.caches.template(text).map_err(|error| format!("{what}: {}", error.message))?;
        template
            .render(self.variables)
            .map_err(|error| OptionError::Case(format!("{what}: {}", error.message)))
    }
}
